// A BPF skeleton over other bytes than its own: the same programs, compiled for older kernels.
#ifndef CAIRN_AGENT_CAPTURE_OPEN_SKELETON_H_
#define CAIRN_AGENT_CAPTURE_OPEN_SKELETON_H_

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace cairn::capture {

// As NAME_bpf__open, whose create and destroy are given. Null: errno says why. `bytes` stay.
template <typename Object>
Object* OpenSkeleton(int (*create)(Object*), void (*destroy)(Object*), const void* bytes,
                     size_t size) {
  auto* const object = static_cast<Object*>(std::calloc(1, sizeof(Object)));
  if (object == nullptr) return nullptr;
  int error = create(object);
  if (error == 0) {
    object->skeleton->data = const_cast<void*>(bytes);
    object->skeleton->data_sz = size;
    error = bpf_object__open_skeleton(object->skeleton, nullptr);
  }
  if (error == 0) return object;
  destroy(object);
  errno = -error;
  return nullptr;
}

}  // namespace cairn::capture

#endif  // CAIRN_AGENT_CAPTURE_OPEN_SKELETON_H_
