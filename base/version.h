// This build.
#ifndef CAIRN_BASE_VERSION_H_
#define CAIRN_BASE_VERSION_H_

namespace cairn {

inline constexpr char kVersion[] = CAIRN_VERSION;  // from CMakeLists.txt

}  // namespace cairn

#endif  // CAIRN_BASE_VERSION_H_
