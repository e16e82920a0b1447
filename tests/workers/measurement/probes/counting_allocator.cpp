// Stands before torch's CPU allocator and counts bytes: what is in use, and the most since the last reset.
// It knows nothing of the profiler, so the two can be held against each other.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <mutex>
#include <unordered_map>

namespace {

c10::Allocator* before = nullptr;
std::mutex guard;
std::unordered_map<void*, size_t> sizes;
long long in_use = 0;
long long most = 0;

void release(void* data) {
  {
    const std::lock_guard<std::mutex> held(guard);
    const auto found = sizes.find(data);
    if (found != sizes.end()) {  // Else it was allocated before this one stood here.
      in_use -= static_cast<long long>(found->second);
      sizes.erase(found);
    }
  }
  before->raw_deleter()(data);
}

struct Counting final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* data = before->allocate(bytes).release_context();
    if (data == nullptr) {
      return {nullptr, nullptr, &c10::detail::deleteNothing, c10::Device(c10::DeviceType::CPU)};
    }
    const std::lock_guard<std::mutex> held(guard);
    sizes[data] = bytes;
    in_use += static_cast<long long>(bytes);
    most = in_use > most ? in_use : most;
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }
};

Counting counting;

}  // namespace

extern "C" {
void install() {
  before = c10::GetCPUAllocator();
  c10::SetCPUAllocator(&counting, 255);
}
void uninstall() { c10::SetCPUAllocator(before, 255); }
void reset() {
  const std::lock_guard<std::mutex> held(guard);
  most = in_use;
}
long long now() { return in_use; }
long long peak() { return most; }
}
