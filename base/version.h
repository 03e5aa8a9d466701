// This build.
#ifndef CAIRN_BASE_VERSION_H_
#define CAIRN_BASE_VERSION_H_

namespace cairn {

extern const char kVersion[];  // from CMakeLists.txt

}  // namespace cairn

#endif  // CAIRN_BASE_VERSION_H_
