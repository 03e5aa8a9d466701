// The acts of the table test: each does one thing and says what the kernel answered.
#ifndef CAIRN_TESTS_CAPTURE_ACTS_H_
#define CAIRN_TESTS_CAPTURE_ACTS_H_

#include <map>
#include <string>

namespace cairn::acts {

// Does its act in the current directory, an empty one; returns what the call returned, or
// -errno.
using Act = long (*)();

// By name, e.g. "openat-relative".
const std::map<std::string, Act>& All();
void AddFileActs(std::map<std::string, Act>* acts);
void AddUringActs(std::map<std::string, Act>* acts);

// `ret`, or -errno when it is -1.
long Result(long ret);

}  // namespace cairn::acts

#endif  // CAIRN_TESTS_CAPTURE_ACTS_H_
