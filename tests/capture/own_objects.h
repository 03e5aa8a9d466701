// The BPF objects of this very process, as an attacker in it would find them.
#ifndef CAIRN_TESTS_CAPTURE_OWN_OBJECTS_H_
#define CAIRN_TESTS_CAPTURE_OWN_OBJECTS_H_

#include <string>

namespace cairn::capture {

// Our own descriptor of the map called `name`; -1: none. Others on this machine may run cairn:
// their maps have the same names.
int OwnMap(const std::string& name);

// Our own descriptor of the link of the program called `name`; -1: none.
int OwnLink(const std::string& name);

}  // namespace cairn::capture

#endif  // CAIRN_TESTS_CAPTURE_OWN_OBJECTS_H_
