int main() { return 0; }  // a precompiled header needs a target with a source
