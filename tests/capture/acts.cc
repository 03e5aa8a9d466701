// capture_acts ACT: does it in the current directory and prints {"pid":N,"ret":N}.
#include "tests/capture/acts.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

namespace cairn::acts {

long Result(long ret) { return ret == -1 ? -errno : ret; }

const std::map<std::string, Act>& All() {
  static const auto* acts = [] {
    auto* all = new std::map<std::string, Act>;
    AddFileActs(all);
    AddFileAtActs(all);
    AddCompatActs(all);
    AddNetActs(all);
    AddProcessActs(all);
    AddSystemActs(all);
    AddUringActs(all);
    AddWindowActs(all);
    return all;
  }();
  return *acts;
}

void Say(long ret) {
  printf("{\"pid\":%d,\"ret\":%ld}\n", getpid(), ret);
  fflush(stdout);
}

}  // namespace cairn::acts

// Looking for leaks forks: an event too many.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

int main(int argc, char** argv) {
  const auto& acts = cairn::acts::All();
  if (argc != 2 || acts.find(argv[1]) == acts.end()) {
    for (const auto& [name, act] : acts) printf("%s\n", name.c_str());
    return 2;
  }
  cairn::acts::Say(acts.at(argv[1])());
  return 0;
}
