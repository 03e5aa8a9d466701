// Prints the tables of audit_names.cc: what libaudit calls record types, system calls and
// io_uring operations. Run when cairn is built.
#include <libaudit.h>

#include <cstdio>

namespace {

struct Extra {
  int number;
  const char* name;
};

// Younger than Debian 12's libaudit (linux/audit.h of 6.18).
constexpr Extra kYoungerTypes[] = {{1336, "URINGOP"},           {1337, "OPENAT2"},
                                   {1338, "DM_CTRL"},           {1339, "DM_EVENT"},
                                   {1423, "LANDLOCK_ACCESS"},   {1424, "LANDLOCK_DOMAIN"},
                                   {1425, "MAC_TASK_CONTEXTS"}, {1426, "MAC_OBJ_CONTEXTS"}};

// Calls from 424 on have one number on every architecture but alpha.
constexpr Extra kYoungerCalls[] = {
    {448, "process_mrelease"},  {449, "futex_waitv"},      {450, "set_mempolicy_home_node"},
    {451, "cachestat"},         {452, "fchmodat2"},        {453, "map_shadow_stack"},
    {454, "futex_wake"},        {455, "futex_wait"},       {456, "futex_requeue"},
    {457, "statmount"},         {458, "listmount"},        {459, "lsm_get_self_attr"},
    {460, "lsm_set_self_attr"}, {461, "lsm_list_modules"}, {462, "mseal"},
    {463, "setxattrat"},        {464, "getxattrat"},       {465, "listxattrat"},
    {466, "removexattrat"},     {467, "open_tree_attr"}};

constexpr int kMachines[] = {MACH_X86,  MACH_86_64, MACH_PPC64,   MACH_PPC,    MACH_S390X,
                             MACH_S390, MACH_ARM,   MACH_AARCH64, MACH_PPC64LE};

void PrintTypes() {
  printf("constexpr Named kTypes[] = {\n");
  for (int type = 1000; type < 3000; ++type) {
    const char* name = audit_msg_type_to_name(type);
    for (const Extra& extra : kYoungerTypes) {
      if (name == nullptr && extra.number == type) name = extra.name;
    }
    if (name != nullptr) printf("    {%d, \"%s\"},\n", type, name);
  }
  printf("};\n");
}

void PrintCalls(int machine) {
  printf("constexpr Named kCalls%d[] = {\n", machine);
  for (int call = 0; call < 512; ++call) {
    const char* name = audit_syscall_to_name(call, machine);
    for (const Extra& extra : kYoungerCalls) {
      if (name == nullptr && extra.number == call) name = extra.name;
    }
    if (name != nullptr) printf("    {%d, \"%s\"},\n", call, name);
  }
  printf("};\n");
}

}  // namespace

int main() {
  PrintTypes();
  for (int machine : kMachines) PrintCalls(machine);
  printf("constexpr Arch kArches[] = {\n");
  for (int machine : kMachines) {
    printf("    {0x%xu, \"%s\", kCalls%d, std::size(kCalls%d)},\n", audit_machine_to_elf(machine),
           audit_machine_to_name(machine), machine, machine);
  }
  printf("};\n");
  return 0;
}
