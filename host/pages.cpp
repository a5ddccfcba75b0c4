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

/// `bytes` of address space with guards around, at `at` unless that is 0; what lies in it is for
/// the caller to map. Null: there is none.
std::byte* reserve(std::size_t bytes, u64 at) {
  void* const wanted = reinterpret_cast<void*>(at == 0 ? 0 : at - guard_bytes);
  const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at == 0 ? 0 : MAP_FIXED_NOREPLACE);
  void* place = ::mmap(wanted, bytes + 2 * guard_bytes, PROT_NONE, how, -1, 0);
  if (place == MAP_FAILED) return nullptr;
  if (at != 0 && place != wanted) {  // a kernel before 4.17 takes the flag for a hint
    ::munmap(place, bytes + 2 * guard_bytes);
    return nullptr;
  }
  return static_cast<std::byte*>(place) + guard_bytes;
}

void release(std::byte* data, std::size_t bytes) {
  if (data != nullptr) ::munmap(data - guard_bytes, bytes + 2 * guard_bytes);
}

bool map_file(std::byte* at, std::size_t bytes, int protection, int file) {
  return ::mmap(at, bytes, protection, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
}

}  // namespace

Pages::Pages(std::size_t bytes, Kind kind, u64 at)
    : bytes_((bytes + page_bytes - 1) & ~(page_bytes - 1)),
      data_(reserve(bytes_, kind == Kind::own ? at : 0)) {
  bool done = false;
  if (kind == Kind::own) {
    done = data_ != nullptr && ::mprotect(data_, bytes_, PROT_READ | PROT_WRITE) == 0;
  } else if (data_ != nullptr && (mirror_ = reserve(bytes_, at)) != nullptr) {
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

std::optional<u64> Pages::identity_place(std::size_t bytes) {
  constexpr u64 first = u64{1} << 30, step = u64{1} << 26, end = u64{0x7f} << 24;
  for (u64 at = first; at + bytes + guard_bytes <= end; at += step) {
    std::byte* const place = reserve(bytes, at);
    if (place == nullptr) continue;
    release(place, bytes);
    return at;
  }
  return std::nullopt;
}

std::optional<u64> Pages::congruent_place(std::size_t bytes, u64 pa) {
  constexpr u64 first = u64{1} << 45,
                gib = u64{1} << 30;  // where no system puts anything by itself
  constexpr u64 tries = 64;
  for (u64 i = 0; i < tries; ++i) {
    const u64 at = first + i * gib + pa % gib;
    std::byte* const place = reserve(bytes, at);
    if (place == nullptr) continue;
    release(place, bytes);
    return at;
  }
  return std::nullopt;
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
