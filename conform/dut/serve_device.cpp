// SPDX-License-Identifier: MIT
#include "conform/dut/serve_device.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "plugin/shared_object.h"
#include "plugin/whole_struct.h"

namespace iommucheck::oracle {

namespace {

constexpr ObjectKind device_object = {.entry = IOMMUCHECK_DEVICE_ENTRY_NAME,
                                      .header = "device.h",
                                      .usage = "--device takes the path of an object (a .so)"};
constexpr StructVersion device_version = {.what = "device",
                                          .type = "iommucheck_dut",
                                          .macro = "IOMMUCHECK_DUT_ABI",
                                          .abi = IOMMUCHECK_DUT_ABI,
                                          .first_size = IOMMUCHECK_DUT_SIZE_VER0};
static_assert(IOMMUCHECK_DUT_SIZE_VER0 ==
              offsetof(iommucheck_dut, run) + sizeof(iommucheck_dut::run));

using Parts = std::initializer_list<std::span<const char>>;

/// Operations end where the page ends behind which nothing is: a device that goes too far is found.
class GuardedOps {
 public:
  GuardedOps() {
    const std::size_t whole = room + page();
    void* base = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) ::_exit(1);
    end_ = static_cast<char*>(base) + room;
    ::mprotect(end_, page(), PROT_NONE);
  }
  iommucheck_dut_op* take(const std::vector<char>& bytes) {
    char* first = end_ - bytes.size();
    std::copy(bytes.begin(), bytes.end(), first);
    return reinterpret_cast<iommucheck_dut_op*>(first);
  }

 private:
  static constexpr std::size_t room = IOMMUCHECK_FRAME_BYTES_MAX;
  static std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
  char* end_;
};

class Server {
 public:
  Server(FrameChannel channel, TesterMemory* memory)
      : channel_(std::move(channel)), memory_(memory) {}

  void serve(const iommucheck_dut* given) {
    if (!take_device(given)) return;
    const Frame hello = next();
    iommucheck_frame_hello said{};
    if (hello.type != IOMMUCHECK_FRAME_HELLO || hello.bytes.size() < sizeof said) {
      return end("the tester does not begin with HELLO");
    }
    std::memcpy(&said, hello.bytes.data(), sizeof said);
    if (said.abi != IOMMUCHECK_DUT_ABI) return end("the tester has another abi");
    host_ = {.size = sizeof host_,
             .abi = IOMMUCHECK_DUT_ABI,
             .ctx = this,
             .read = read,
             .write = write,
             .interrupt = interrupt,
             .memory_pa = said.memory_pa,
             .memory_bytes = said.memory_bytes,
             .seed = said.seed,
             .atc_invalidate = atc_invalidate,
             .page_response = page_response,
             .install = install,
             .invalidate = invalidate};
    iommucheck_dut_info info{};
    info.size = sizeof info;
    info.abi = IOMMUCHECK_DUT_ABI;
    self_ = device_.open(&host_, &info);
    if (self_ == nullptr) return end("open returned NULL");
    send(IOMMUCHECK_FRAME_INFO, {bytes_of(info)});
    while (answer(next())) {
    }
  }
  /// The last frame.
  void end(const std::string& text) {
    send(IOMMUCHECK_FRAME_LAST_WORDS, {std::span<const char>(text)});
  }

 private:
  bool take_device(const iommucheck_dut* given) {
    if (given == nullptr) return refuse(IOMMUCHECK_DEVICE_ENTRY_NAME " returned NULL");
    const auto whole = whole_struct(given, device_version);
    if (!whole) return refuse(whole.error().message);
    device_ = *whole;
    if (device_.open == nullptr || device_.reset == nullptr || device_.run == nullptr) {
      return refuse("its device has no open, no reset or no run; every device needs them");
    }
    return true;
  }
  bool refuse(const std::string& text) {
    end(text);
    return false;
  }

  bool answer(const Frame& frame) {
    switch (frame.type) {
      case IOMMUCHECK_FRAME_RESET:
        if (const std::int32_t result = device_.reset(self_); result != 0) {
          return refuse(fmt::format("reset() returned {}{}", result, last_words()));
        }
        send(IOMMUCHECK_FRAME_READY, {});
        return true;
      case IOMMUCHECK_FRAME_RUN: return run(frame);
      default: return refuse(fmt::format("the tester sends a frame of type {}", frame.type));
    }
  }
  bool run(const Frame& frame) {
    const std::size_t count = frame.bytes.size() / sizeof(iommucheck_dut_op);
    iommucheck_dut_op* ops = ops_.take(frame.bytes);
    const std::int64_t done = device_.run(self_, ops, count);
    if (done < 0 || static_cast<u64>(done) > count) {
      return refuse(fmt::format("run() returned {} for {} operations", done, count));
    }
    if (static_cast<u64>(done) != count) {
      return refuse(
          fmt::format("it gave up at operation {} of {}{}", done + 1, count, last_words()));
    }
    const auto* first = reinterpret_cast<const char*>(ops);
    send(IOMMUCHECK_FRAME_DONE, {std::span<const char>(first, frame.bytes.size())});
    return true;
  }
  std::string last_words() {
    const char* text = device_.last_words == nullptr ? nullptr : device_.last_words(self_);
    return text == nullptr ? std::string() : ": " + std::string(text).substr(0, 1000);
  }

  void send(u32 type, Parts parts) {
    if (!channel_.send(type, {parts.begin(), parts.size()}, no_deadline)) gone();
  }
  Frame next() {
    Deadline never = no_deadline;
    auto frame = channel_.receive(never);
    if (!frame) gone();
    return std::move(*frame);
  }
  [[noreturn]] void gone() {
    if (self_ != nullptr && device_.close != nullptr) device_.close(self_);
    std::_Exit(0);
  }

  static std::int32_t read(void* ctx, u64 pa, void* to, u64 bytes) {
    Server& self = *static_cast<Server*>(ctx);
    if (self.memory_ != nullptr) return self.memory_->read(pa, to, bytes) ? 0 : 1;
    if (bytes == 0 || bytes > TesterMemory::access_max) return 1;
    const std::array<u32, 2> length = {static_cast<u32>(bytes), 0};
    self.send(IOMMUCHECK_FRAME_READ, {bytes_of(pa), bytes_of(length)});
    const Frame frame = self.next();
    if (frame.bytes.size() != 8 + bytes) return 1;
    std::memcpy(to, frame.bytes.data() + 8, bytes);
    return 0;
  }
  static std::int32_t write(void* ctx, u64 pa, const void* from, u64 bytes) {
    Server& self = *static_cast<Server*>(ctx);
    if (self.memory_ != nullptr) return self.memory_->write(pa, from, bytes) ? 0 : 1;
    if (bytes == 0 || bytes > TesterMemory::access_max) return 1;
    const std::array<u32, 2> length = {static_cast<u32>(bytes), 0};
    self.send(IOMMUCHECK_FRAME_WRITE,
              {bytes_of(pa), bytes_of(length), std::span(static_cast<const char*>(from), bytes)});
    u32 status = 1;
    const Frame frame = self.next();
    if (frame.bytes.size() >= 4) std::memcpy(&status, frame.bytes.data(), 4);
    return status == 0 ? 0 : 1;
  }
  static void interrupt(void* ctx, u32 line, u32 level) {
    const std::array<u32, 2> both = {line, level};
    static_cast<Server*>(ctx)->send(IOMMUCHECK_FRAME_INTERRUPT, {bytes_of(both)});
  }

  static void atc_invalidate(void* ctx, u32 sid, u32 attributes, u32 ssid, u32 tag, u64 address,
                             u64 bytes) {
    const std::array<u32, 4> who = {sid, attributes, ssid, tag};
    const std::array<u64, 2> what = {address, bytes};
    static_cast<Server*>(ctx)->send(IOMMUCHECK_FRAME_ATC_INVALIDATE,
                                    {bytes_of(who), bytes_of(what)});
  }

  static void page_response(void* ctx, u32 sid, u32 attributes, u32 ssid, u32 prg_index, u32 code) {
    const std::array<u32, 6> words = {sid, attributes, ssid, prg_index, code, 0};
    static_cast<Server*>(ctx)->send(IOMMUCHECK_FRAME_PAGE_RESPONSE, {bytes_of(words)});
  }

  /// An STE without words is one frame that is too short.
  static void install(void* ctx, u32 sid, u32 how, const u64* words) {
    const std::array<u32, 2> what = {sid, how};
    std::array<u64, 8> ste{};
    const bool has_ste = how == IOMMUCHECK_DUT_INSTALL_STE;
    if (has_ste && words != nullptr) std::memcpy(ste.data(), words, sizeof ste);
    const bool lacks = has_ste && words == nullptr;
    static_cast<Server*>(ctx)->send(
        IOMMUCHECK_FRAME_INSTALL,
        {bytes_of(what), lacks ? std::span<const char>() : bytes_of(ste)});
  }
  /// Of too many, the number alone.
  static void invalidate(void* ctx, const u64* commands, u32 count) {
    const std::array<u32, 2> head = {count, 0};
    const bool some = commands != nullptr && count <= IOMMUCHECK_DUT_INVALIDATE_MAX;
    const std::size_t bytes = some ? std::size_t{16} * count : 0;
    static_cast<Server*>(ctx)->send(
        IOMMUCHECK_FRAME_INVALIDATE,
        {bytes_of(head), std::span(reinterpret_cast<const char*>(commands), bytes)});
  }

  FrameChannel channel_;
  TesterMemory* memory_;
  GuardedOps ops_;
  iommucheck_dut device_{};
  iommucheck_dut_host host_{};
  void* self_ = nullptr;
};

static_assert(sizeof(iommucheck_dut_op) == 40 && sizeof(iommucheck_frame_hello) == 32);
static_assert(sizeof(iommucheck_dut_host) >= IOMMUCHECK_DUT_HOST_SIZE_VER0);
static_assert(sizeof(iommucheck_dut_info) >= IOMMUCHECK_DUT_INFO_SIZE_VER0);

}  // namespace

void serve_device(FrameChannel channel, const iommucheck_dut* device, TesterMemory* memory) {
  Server(std::move(channel), memory).serve(device);
}

void serve_plugin(FrameChannel channel, const std::string& path, TesterMemory* memory) {
  auto object = SharedObject::load(path, device_object);
  if (!object) return Server(std::move(channel), memory).end(object.error().message);
  object->keep();
  const auto entry = reinterpret_cast<iommucheck_device_entry_fn>(object->entry());
  serve_device(std::move(channel), entry(), memory);
}

}  // namespace iommucheck::oracle
