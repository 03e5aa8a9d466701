// What cairn doctor finds on this host.
#ifndef CAIRN_CLI_DOCTOR_H_
#define CAIRN_CLI_DOCTOR_H_

#include <string>
#include <vector>

#include "cli/command.h"

namespace cairn::cli {

enum class Health { kOk, kWarn, kFail };

struct Finding {
  Health health = Health::kOk;
  std::string what;    // "BTF"
  std::string detail;  // "/sys/kernel/btf/vmlinux is there"
  std::string mend;    // a command or a change; "" when ok
};

// Host, kernel, files and daemon, in the order a person would mend them. Changes nothing.
std::vector<Finding> Examine(const Arguments& arguments);

// The parts: the kernel (doctor_kernel.cc), what is installed and runs (doctor.cc).
std::vector<Finding> ExamineKernel();

Command DoctorCommand();

std::string FindingsJson(const std::vector<Finding>& findings);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_DOCTOR_H_
