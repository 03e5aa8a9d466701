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
void AddFileAtActs(std::map<std::string, Act>* acts);  // dirfds, links, long and odd names
void AddCompatActs(std::map<std::string, Act>* acts);  // the 32-bit ABI
void AddNetActs(std::map<std::string, Act>* acts);
void AddProcessActs(std::map<std::string, Act>* acts);
void AddSystemActs(std::map<std::string, Act>* acts);
void AddWindowActs(std::map<std::string, Act>* acts);
void AddUringActs(std::map<std::string, Act>* acts);

// Prints what the act returned.
void Say(long ret);

// `ret`, or -errno when it is -1.
long Result(long ret);

}  // namespace cairn::acts

#endif  // CAIRN_TESTS_CAPTURE_ACTS_H_
