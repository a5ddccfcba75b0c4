// SPDX-License-Identifier: MIT
#include "host/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace iommucheck::oracle {

namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t guard_bytes = std::size_t{64} << 10;  // on both sides

/// `bytes` of address space with guards around; what lies in it is for the caller to map.
std::byte* reserve(std::size_t bytes) {
  void* place = ::mmap(nullptr, bytes + 2 * guard_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(place) + guard_bytes;
}

void release(std::byte* data, std::size_t bytes) {
  if (data != nullptr) ::munmap(data - guard_bytes, bytes + 2 * guard_bytes);
}

bool map_file(std::byte* at, std::size_t bytes, int protection, int file) {
  return ::mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
}

}  // namespace

Pages::Pages(std::size_t bytes, Kind kind)
    : bytes_((bytes + page_bytes - 1) & ~(page_bytes - 1)), data_(reserve(bytes_)) {
  bool done = false;
  if (kind == Kind::own) {
    done = ::mprotect(data_, bytes_, PROT_READ | PROT_WRITE) == 0;
  } else {
    mirror_ = reserve(bytes_);
    const int file = ::memfd_create("iommucheck window", MFD_CLOEXEC);
    done = file >= 0 && ::ftruncate(file, static_cast<off_t>(bytes_)) == 0 &&
           map_file(data_, bytes_, PROT_READ | PROT_WRITE, file) &&
           map_file(mirror_, bytes_, PROT_READ, file);
    if (file >= 0) ::close(file);
  }
  if (done) return;
  release(data_, bytes_);
  release(mirror_, bytes_);
  throw std::bad_alloc();
}

Pages::~Pages() {
  release(data_, bytes_);
  release(mirror_, bytes_);
}

void Pages::allow(std::size_t from, std::size_t to, Access access) const {
  const std::size_t first = from & ~(page_bytes - 1);
  const std::size_t last = std::min((to + page_bytes - 1) & ~(page_bytes - 1), bytes_);
  if (first >= last) return;
  const int protection = access == Access::none   ? PROT_NONE
                         : access == Access::read ? PROT_READ
                                                  : PROT_READ | PROT_WRITE;
  if (::mprotect(data_ + first, last - first, protection) != 0) throw std::bad_alloc();
}

}  // namespace iommucheck::oracle
