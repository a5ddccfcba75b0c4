// SPDX-License-Identifier: MIT
#include "conform/dut/door_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstring>
#include <map>
#include <set>

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using Parts = std::initializer_list<std::span<const char>>;

constexpr Ticket no_ticket = ~Ticket{0};
constexpr std::size_t batch_max = 4096;
constexpr double begin_seconds_least = 10;  // an interpreter takes its time to start
constexpr u32 flags_known = IOMMUCHECK_DUT_PROMPT | IOMMUCHECK_DUT_GIVES_PA |
                            IOMMUCHECK_DUT_HOLDS_MEMORY | IOMMUCHECK_DUT_SAVES |
                            IOMMUCHECK_DUT_SENDS_PRIVILEGED | IOMMUCHECK_DUT_SENDS_INSTRUCTIONS |
                            IOMMUCHECK_DUT_SENDS_SUBSTREAMS | IOMMUCHECK_DUT_WIRES_INTERRUPTS |
                            IOMMUCHECK_DUT_ATS | IOMMUCHECK_DUT_PRI | IOMMUCHECK_DUT_DELEGATES;
constexpr const char* nonsense = "answers nonsense: ";
constexpr std::string_view end_of_its_own = "came to an end: ";

std::unexpected<Error> bad_answer(const std::string& what) {
  return fail(ErrorCode::environment, nonsense + what);
}

std::string op_text(const iommucheck_dut_op& op) {
  const auto info = spec::register_at(op.where);
  const std::string_view name = info ? info->name : "an unknown register";
  switch (op.kind) {
    case IOMMUCHECK_DUT_READ: return fmt::format("the {}-byte read of {}", op.bytes, name);
    case IOMMUCHECK_DUT_WRITE: return fmt::format("the {}-byte write of {}", op.bytes, name);
    case IOMMUCHECK_DUT_DMA:
      return (op.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0 ? "a DMA that writes"
                                                            : "a DMA that reads";
    case IOMMUCHECK_DUT_ATS_REQUEST: return "a translation request";
    case IOMMUCHECK_DUT_ATC_DONE: return "the answer to an invalidation";
    case IOMMUCHECK_DUT_ATC_TIME_OUT: return "the end of the time of endpoints";
    case IOMMUCHECK_DUT_PAGE_REQUEST: return "a page request";
    case IOMMUCHECK_DUT_STORE: return "a store";
    case IOMMUCHECK_DUT_FILL: return "a fill";
    case IOMMUCHECK_DUT_SAVE_RESTORE: return "to be saved and restored";
    case IOMMUCHECK_DUT_RECORD_EVENT: return "a record of its host's SMMU";
    default: return "a load";
  }
}

/// A name that may be that of a file; nothing if it is none.
std::optional<std::string> name_in(const char (&text)[32]) {
  const auto end = std::ranges::find(text, '\0');
  const std::string name(std::begin(text), end);
  if (end == std::end(text) || name.empty() || name.front() == '.') return std::nullopt;
  const auto fits = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("._+-").find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(name, fits)) return std::nullopt;
  return name;
}

/// What is wrong with what a device says of itself; nullopt: nothing.
std::optional<std::string> wrong_with(const iommucheck_dut_info& info) {
  if (info.abi != IOMMUCHECK_DUT_ABI) {
    return fmt::format("its info has abi {}, this program has {}", info.abi, IOMMUCHECK_DUT_ABI);
  }
  if ((info.flags & ~flags_known) != 0) {
    return fmt::format("its info has flags {:#x}, of which this program knows {:#x} only",
                       info.flags, flags_known);
  }
  if ((info.flags & IOMMUCHECK_DUT_HOLDS_MEMORY) != 0 &&
      (info.flags & IOMMUCHECK_DUT_GIVES_PA) == 0) {
    return "its info has HOLDS_MEMORY without GIVES_PA: nobody would see where an access went";
  }
  constexpr u32 not_delegated =
      IOMMUCHECK_DUT_HOLDS_MEMORY | IOMMUCHECK_DUT_ATS | IOMMUCHECK_DUT_PRI;
  if ((info.flags & IOMMUCHECK_DUT_DELEGATES) != 0 && (info.flags & not_delegated) != 0) {
    return "its info has DELEGATES with HOLDS_MEMORY, ATS or PRI: its host's SMMU has none of them";
  }
  if (info.sid_count < 2 || info.sid_count > IOMMUCHECK_DUT_SIDS_MAX) {
    return fmt::format("its info has sid_count {}, it must be 2 to {}", info.sid_count,
                       IOMMUCHECK_DUT_SIDS_MAX);
  }
  const std::set<u32> sids(info.sids, info.sids + info.sid_count);
  if (sids.size() != info.sid_count || *sids.rbegin() >= IOMMUCHECK_DUT_SID_END) {
    return fmt::format("its info has StreamIDs that are not distinct or not below {}",
                       IOMMUCHECK_DUT_SID_END);
  }
  const bool delegates = (info.flags & IOMMUCHECK_DUT_DELEGATES) != 0;
  for (u32 i = 0; i < (delegates ? info.sid_count : 2); ++i) {
    if (info.sids[i] < HostSmmu::sids_end) continue;
    return fmt::format("its info has {} as the StreamID of engine {}, which has to be below {}",
                       info.sids[i], i, HostSmmu::sids_end);
  }
  if (info.mmio_bytes < reg::end) {
    return fmt::format("its info has mmio_bytes {:#x}, less than the two pages of {:#x}",
                       info.mmio_bytes, reg::end);
  }
  if (!name_in(info.name) || !name_in(info.release)) {
    return "its info has a name or release that is not of letters, digits and \"._+-\" (1 to 31)";
  }
  return std::nullopt;
}

/// What nothing can be asked without. Another ID register that a device refuses to tell is 0, and a
/// finding of the first case that reads it.
bool is_needed(u32 id_register) {
  return id_register == reg::idr0 || id_register == reg::idr1 || id_register == reg::idr5;
}

}  // namespace

Expected<std::unique_ptr<DoorDevice>> DoorDevice::start(const Options& options) {
  static_assert(std::endian::native == std::endian::little, "frames are little endian");
  auto memory = TesterMemory::create();
  if (!memory) return std::unexpected(memory.error());
  std::unique_ptr<DoorDevice> device(new DoorDevice(options));
  device->memory_ = std::move(*memory);
  if (auto ok = device->begin(); !ok) return std::unexpected(ok.error());
  if (auto ok = device->read_id_registers(); !ok) return std::unexpected(ok.error());
  if (auto ok = device->begin_host(); !ok) return std::unexpected(ok.error());
  return device;
}

/// A new process, and what it says of itself: the same as the one before.
Expected<void> DoorDevice::begin() {
  pending_.clear();
  tickets_.clear();
  broken_ = false;
  refused_read_.reset();
  const double seconds = std::max(options_.hang_seconds, begin_seconds_least);
  if (auto ok = peer_.start(*memory_, options_.hang_seconds); !ok) return ok;
  const iommucheck_frame_hello hello = {.abi = IOMMUCHECK_DUT_ABI,
                                        .reserved = 0,
                                        .memory_pa = TesterMemory::pa,
                                        .memory_bytes = TesterMemory::bytes,
                                        .seed = options_.seed};
  const Parts parts = {bytes_of(hello)};
  auto sent = peer_.channel().send(IOMMUCHECK_FRAME_HELLO, {parts.begin(), parts.size()},
                                   in_seconds(seconds));
  // One that has ended may have said why.
  auto bytes = wait_for(IOMMUCHECK_FRAME_INFO, seconds);
  if (!bytes) {
    return fail(ErrorCode::bad_input,
                options_.device + ": no device comes up: " + post_mortem(bytes.error().message));
  }
  if (!sent) return sent;
  if (auto ok = take_info(*bytes); !ok) {
    return fail(ErrorCode::bad_input, options_.device + ": " + ok.error().message);
  }
  return {};
}

Expected<void> DoorDevice::take_info(const std::vector<char>& bytes) {
  iommucheck_dut_info info{};
  if (bytes.size() < IOMMUCHECK_DUT_INFO_SIZE_VER0) {
    return bad_answer(fmt::format("INFO of {} bytes, {} are the least", bytes.size(),
                                  IOMMUCHECK_DUT_INFO_SIZE_VER0));
  }
  std::memcpy(&info, bytes.data(), std::min(bytes.size(), sizeof info));
  if (info.size < IOMMUCHECK_DUT_INFO_SIZE_VER0 || info.size > bytes.size()) {
    return bad_answer(
        fmt::format("its info has size {} in a frame of {} bytes", info.size, bytes.size()));
  }
  if (auto wrong = wrong_with(info)) return fail(ErrorCode::bad_input, *wrong);
  if (identity_.name.empty()) {
    info_ = info;
    identity_.name = *name_in(info.name);
    identity_.version = *name_in(info.release);
    identity_.sids.assign(info.sids, info.sids + info.sid_count);
    identity_.structures_pa = TesterMemory::structures_pa;
    identity_.structures_bytes = TesterMemory::structures_bytes;
    identity_.data_pa = TesterMemory::data_pa;
    identity_.data_bytes = TesterMemory::data_bytes;
    identity_.absent_pa = TesterMemory::absent_pa;
    identity_.absent_bytes = TesterMemory::absent_bytes;
    identity_.iova_end = info.iova_end;
    identity_.prompt = says(IOMMUCHECK_DUT_PROMPT);
    identity_.every_pa = says(IOMMUCHECK_DUT_GIVES_PA | IOMMUCHECK_DUT_DELEGATES);
    identity_.sends_privileged = says(IOMMUCHECK_DUT_SENDS_PRIVILEGED);
    identity_.sends_instructions = says(IOMMUCHECK_DUT_SENDS_INSTRUCTIONS);
    identity_.sends_substreams = says(IOMMUCHECK_DUT_SENDS_SUBSTREAMS);
    identity_.wires_interrupts = says(IOMMUCHECK_DUT_WIRES_INTERRUPTS);
    identity_.saves = says(IOMMUCHECK_DUT_SAVES);
    identity_.ats = says(IOMMUCHECK_DUT_ATS);
    identity_.pri = says(IOMMUCHECK_DUT_PRI);
    identity_.delegates = says(IOMMUCHECK_DUT_DELEGATES);
  } else if (std::memcmp(&info, &info_, sizeof info) != 0) {
    return fail(ErrorCode::bad_input, "its info is another one each time that it is opened");
  }
  return {};
}

Expected<void> DoorDevice::read_id_registers() {
  if (auto ok = ask_for_reset(); !ok) {
    return fail(ErrorCode::bad_input, options_.device + ": no device: the first reset: " +
                                          post_mortem(ok.error().message));
  }
  std::set<u32> absent;
  std::map<u32, Ticket> reads;
  while (true) {
    reads.clear();
    for (u32 offset = reg::idr0; offset <= reg::aidr; offset += 4) {
      if (!absent.contains(offset)) reads[offset] = mmio_read(offset, 4);
    }
    const auto ok = settle();
    if (ok) break;
    if (!refused_read_ || is_needed(*refused_read_)) {
      return fail(ErrorCode::bad_input,
                  options_.device +
                      ": no device: the first read of the ID registers: " + ok.error().message);
    }
    absent.insert(*refused_read_);
    if (auto up = reset(); !up) return up;  // a new process
  }
  const auto told = [&](u32 offset) {
    const auto read = reads.find(offset);
    return read == reads.end() ? 0 : static_cast<u32>(value(read->second));
  };
  for (u32 i = 0; i < std::size(identity_.id.idr); ++i)
    identity_.id.idr[i] = told(reg::idr0 + 4 * i);
  identity_.id.iidr = told(reg::iidr);
  identity_.id.aidr = told(reg::aidr);
  if (identity_.id.idr[0] == 0) {
    return fail(ErrorCode::bad_input, options_.device + ": no SMMUv3: IDR0 reads as 0");
  }
  const spec::Capabilities caps = spec::parse_capabilities(identity_.id);
  for (std::size_t i = 0; i < identity_.sids.size(); ++i) {
    if (identity_.id.idr[1] == 0 || identity_.sids[i] >> caps.sidsize == 0) continue;
    return fail(ErrorCode::bad_input,
                fmt::format("{}: engine {} has StreamID {:#x}, and IDR1.SIDSIZE is {}",
                            options_.device, i, identity_.sids[i], caps.sidsize));
  }
  // Without IDR0.PRI there is no queue for what its engines could send.
  identity_.pri = identity_.pri && caps.pri;
  return {};
}

/// Its host's SMMU has its ID registers, so that they are read first. The next reset is told of
/// what is installed then.
Expected<void> DoorDevice::begin_host() {
  if (!says(IOMMUCHECK_DUT_DELEGATES)) return {};
  if (spec::parse_capabilities(identity_.id).stall_model != spec::StallModel::never) {
    return fail(ErrorCode::bad_input,
                options_.device +
                    ": DELEGATES without IDR0.STALL_MODEL = 1: no command is handed "
                    "on that ends a stall");
  }
  host_ = std::make_unique<HostSmmu>(identity_.id, identity_.sids, options_.seed);
  return {};
}

// ---- frames -------------------------------------------------------------------------------------

/// "WHAT, HOW IT ENDED", and in a second line what it printed last.
std::string DoorDevice::post_mortem(const std::string& what) {
  const std::string how = peer_.end();
  std::string text = "it " + what;
  if (!how.empty() && !what.starts_with(end_of_its_own)) {
    text = what == "closed the connection" ? "it " + how : text + " and " + how;
  }
  if (how == "ended with exit status 127" && peer_.kind() == Peer::Kind::command) {
    text += ": the command was not found";
  }
  const std::string printed = peer_.printed();
  return printed.empty() ? text : text + "\n" + printed;
}

/// Serves its accesses of memory until the answer of that type comes.
Expected<std::vector<char>> DoorDevice::wait_for(u32 type, double seconds) {
  Deadline until = peer_.channel().deadline(seconds);
  while (true) {
    auto frame = peer_.channel().receive(until);
    if (!frame) {
      if (frame.error().message != "gives no answer") return std::unexpected(frame.error());
      return fail(ErrorCode::environment, fmt::format("gives no answer for {:.3g} s", seconds));
    }
    if (frame->type == type) return std::move(frame->bytes);
    if (frame->type == IOMMUCHECK_FRAME_LAST_WORDS) {
      std::string text(frame->bytes.begin(), frame->bytes.end());
      text.resize(std::min<std::size_t>(text.size(), 1000));
      for (char& c : text) c = static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
      return fail(ErrorCode::environment, std::string(end_of_its_own) + text);
    }
    if (auto ok = serve_memory(*frame, until); !ok) return std::unexpected(ok.error());
  }
}

Expected<void> DoorDevice::take_interrupt(const std::vector<char>& bytes) {
  std::array<u32, 2> both{};
  if (bytes.size() != sizeof both) {
    return bad_answer(fmt::format("INTERRUPT of {} bytes", bytes.size()));
  }
  std::memcpy(both.data(), bytes.data(), sizeof both);
  if (both[0] > IOMMUCHECK_IRQ_COMMAND_SYNC || both[1] > IOMMUCHECK_DUT_EDGE) {
    return bad_answer(fmt::format("interrupt line {}, level {}", both[0], both[1]));
  }
  ++counts_.interrupts;
  const bool was_high = std::exchange(high_[both[0]], both[1] == IOMMUCHECK_DUT_HIGH);
  if (both[1] == IOMMUCHECK_DUT_EDGE || (both[1] == IOMMUCHECK_DUT_HIGH && !was_high)) {
    interrupts_.push_back({static_cast<trace::IrqKind>(both[0])});
  }
  return {};
}

/// So many may wait for endpoints: a device that sends without end is stopped.
Expected<void> DoorDevice::take_invalidation(const std::vector<char>& bytes) {
  constexpr std::size_t most = 65536;
  struct Request {
    u32 sid, attributes, ssid, tag;
    u64 address, bytes;
  } request{};
  if (bytes.size() != sizeof request) {
    return bad_answer(fmt::format("ATC_INVALIDATE of {} bytes", bytes.size()));
  }
  std::memcpy(&request, bytes.data(), sizeof request);
  constexpr u32 known = IOMMUCHECK_DUT_HAS_SUBSTREAM | IOMMUCHECK_DUT_IS_GLOBAL;
  const bool everything = request.bytes == 0;
  const bool sized = request.bytes >= 4096 && std::has_single_bit(request.bytes);
  if ((request.attributes & ~known) != 0 || !(everything || sized) ||
      (request.address & (everything ? ~u64{0} : request.bytes - 1)) != 0) {
    return bad_answer(fmt::format("an invalidation of {:#x} bytes at {:#x}, attributes {:#x}",
                                  request.bytes, request.address, request.attributes));
  }
  if (!says(IOMMUCHECK_DUT_ATS)) {
    return bad_answer("an invalidation of an ATC, without the flag ATS");
  }
  if (invalidations_.size() == most) return bad_answer("invalidations without end");
  AtcInvalidation one{.sid = request.sid,
                      .global = (request.attributes & IOMMUCHECK_DUT_IS_GLOBAL) != 0,
                      .address = request.address,
                      .bytes = request.bytes,
                      .tag = request.tag};
  if ((request.attributes & IOMMUCHECK_DUT_HAS_SUBSTREAM) != 0) one.substream = request.ssid;
  invalidations_.push_back(one);
  return {};
}

/// A message that PCIe has: 9 bits of index, 20 of PASID, a code that is not reserved.
Expected<void> DoorDevice::take_response(const std::vector<char>& bytes) {
  constexpr std::size_t most = 65536;
  struct Message {
    u32 sid, attributes, ssid, prg_index, code, reserved;
  } message{};
  if (bytes.size() != sizeof message) {
    return bad_answer(fmt::format("PAGE_RESPONSE of {} bytes", bytes.size()));
  }
  std::memcpy(&message, bytes.data(), sizeof message);
  const bool tagged = (message.attributes & IOMMUCHECK_DUT_HAS_SUBSTREAM) != 0;
  const bool is_code = message.code == static_cast<u32>(spec::ResponseCode::success) ||
                       message.code == static_cast<u32>(spec::ResponseCode::invalid_request) ||
                       message.code == static_cast<u32>(spec::ResponseCode::failure);
  if ((message.attributes & ~IOMMUCHECK_DUT_HAS_SUBSTREAM) != 0 || !is_code ||
      message.prg_index >> spec::prg_index_bits != 0 || (tagged && message.ssid >> 20 != 0)) {
    return bad_answer(
        fmt::format("a response with code {:#x}, PRG index {:#x}, PASID {:#x}, attributes {:#x}",
                    message.code, message.prg_index, message.ssid, message.attributes));
  }
  if (!says(IOMMUCHECK_DUT_PRI)) {
    return bad_answer("a response to a page request, without the flag PRI");
  }
  if (responses_.size() == most) return bad_answer("responses without end");
  spec::PageResponse one{.sid = message.sid,
                         .prg_index = message.prg_index,
                         .code = static_cast<spec::ResponseCode>(message.code)};
  if (tagged) one.ssid = message.ssid;
  responses_.push_back(one);
  return {};
}

Expected<void> DoorDevice::take_install(const std::vector<char>& bytes) {
  struct Request {
    u32 sid, how;
    SteWords words;
  } request{};
  if (bytes.size() != sizeof request) {
    return bad_answer(fmt::format("INSTALL of {} bytes, {} are one with the words of an STE",
                                  bytes.size(), sizeof request));
  }
  std::memcpy(&request, bytes.data(), sizeof request);
  if (!says(IOMMUCHECK_DUT_DELEGATES)) {
    return bad_answer("it installs something, without the flag DELEGATES");
  }
  if (request.how < IOMMUCHECK_DUT_INSTALL_STE || request.how > IOMMUCHECK_DUT_INSTALL_ABORT) {
    return bad_answer(fmt::format("it installs {}, which is no STE, bypass or abort", request.how));
  }
  ++counts_.installed;
  if (host_ == nullptr) return {};
  const auto how = static_cast<Installed>(request.how);
  auto done = host_->install(request.sid, how, request.words);
  if (!done) return bad_answer(done.error().message);
  return {};
}

Expected<void> DoorDevice::take_handed_on(const std::vector<char>& bytes) {
  std::array<u32, 2> count{};
  if (bytes.size() < sizeof count) {
    return bad_answer(fmt::format("INVALIDATE of {} bytes", bytes.size()));
  }
  std::memcpy(count.data(), bytes.data(), sizeof count);
  if (count[0] == 0 || count[0] > IOMMUCHECK_DUT_INVALIDATE_MAX) {
    return bad_answer(fmt::format("it hands on {} commands at once, 1 to {} can be", count[0],
                                  IOMMUCHECK_DUT_INVALIDATE_MAX));
  }
  std::vector<spec::CommandWords> commands(count[0]);
  if (bytes.size() != sizeof count + commands.size() * sizeof commands[0]) {
    return bad_answer(fmt::format("INVALIDATE of {} commands in {} bytes", count[0], bytes.size()));
  }
  std::memcpy(commands.data(), bytes.data() + sizeof count, commands.size() * sizeof commands[0]);
  if (!says(IOMMUCHECK_DUT_DELEGATES)) {
    return bad_answer("it hands on commands, without the flag DELEGATES");
  }
  counts_.handed_on += commands.size();
  if (host_ == nullptr) return {};
  auto done = host_->invalidate(commands);
  if (!done) return bad_answer(done.error().message);
  return {};
}

Expected<void> DoorDevice::serve_memory(const Frame& frame, Deadline until) {
  struct Request {
    u64 pa;
    u32 bytes, reserved;
  } request{};
  if (frame.type == IOMMUCHECK_FRAME_INTERRUPT) return take_interrupt(frame.bytes);
  if (frame.type == IOMMUCHECK_FRAME_ATC_INVALIDATE) return take_invalidation(frame.bytes);
  if (frame.type == IOMMUCHECK_FRAME_PAGE_RESPONSE) return take_response(frame.bytes);
  if (frame.type == IOMMUCHECK_FRAME_INSTALL) return take_install(frame.bytes);
  if (frame.type == IOMMUCHECK_FRAME_INVALIDATE) return take_handed_on(frame.bytes);
  const bool reads = frame.type == IOMMUCHECK_FRAME_READ;
  if (!reads && frame.type != IOMMUCHECK_FRAME_WRITE) {
    return bad_answer(fmt::format("a frame of type {}", frame.type));
  }
  const char* name = reads ? "READ" : "WRITE";
  if (frame.bytes.size() < sizeof request) {
    return bad_answer(fmt::format("{} of {} bytes", name, frame.bytes.size()));
  }
  std::memcpy(&request, frame.bytes.data(), sizeof request);
  if (frame.bytes.size() != sizeof request + (reads ? 0 : request.bytes)) {
    return bad_answer(fmt::format("{} of {} bytes of memory in a frame of {}", name, request.bytes,
                                  frame.bytes.size()));
  }
  ++counts_.memory_frames;
  std::vector<char> bytes(reads && request.bytes <= TesterMemory::access_max ? request.bytes : 0);
  const bool done =
      reads ? memory_->read(request.pa, bytes.data(), request.bytes)
            : memory_->write(request.pa, frame.bytes.data() + sizeof request, request.bytes);
  if (!done) bytes.clear();
  const std::array<u32, 2> status = {done ? 0U : 1U, 0};
  const Parts parts = {bytes_of(status), std::span<const char>(bytes)};
  return peer_.channel().send(IOMMUCHECK_FRAME_MEMORY, {parts.begin(), parts.size()}, until);
}

// ---- operations ---------------------------------------------------------------------------------

Ticket DoorDevice::ticket() {
  answers_.emplace_back();
  return static_cast<Ticket>(answers_.size() - 1);
}

void DoorDevice::ask(const iommucheck_dut_op& op, Ticket ticket) {
  if (broken_) return;
  pending_.push_back(op);
  tickets_.push_back(ticket);
  if (pending_.size() == batch_max) flush();
}

void DoorDevice::flush() {
  if (broken_ || pending_.empty()) return;
  ++counts_.batches;
  counts_.operations += pending_.size();
  const Parts parts = {{reinterpret_cast<const char*>(pending_.data()),
                        pending_.size() * sizeof(iommucheck_dut_op)}};
  auto sent = peer_.channel().send(IOMMUCHECK_FRAME_RUN, {parts.begin(), parts.size()},
                                   in_seconds(options_.hang_seconds));
  auto bytes = wait_for(IOMMUCHECK_FRAME_DONE, options_.hang_seconds);
  Expected<void> ok;
  if (!bytes) {
    ok = std::unexpected(bytes.error());
  } else if (!sent) {
    ok = sent;
  } else {
    ok = take_answers(*bytes);
  }
  if (!ok) {
    broken_ = true;
    why_broken_ = post_mortem(ok.error().message);
  }
  pending_.clear();
  tickets_.clear();
}

Expected<void> DoorDevice::take_answers(const std::vector<char>& bytes) {
  constexpr std::size_t each = sizeof(iommucheck_dut_op);
  if (bytes.size() != pending_.size() * each) {
    return bad_answer(fmt::format("{} bytes of answers to {} operations of {} bytes", bytes.size(),
                                  pending_.size(), each));
  }
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    iommucheck_dut_op answer;
    std::memcpy(&answer, bytes.data() + i * each, each);
    if (auto ok = take_answer(pending_[i], answer, tickets_[i]); !ok) return ok;
  }
  return {};
}

/// An answer that cannot be one is none.
Expected<void> DoorDevice::take_answer(const iommucheck_dut_op& asked,
                                       const iommucheck_dut_op& answer, Ticket ticket) {
  const bool dma = asked.kind == IOMMUCHECK_DUT_DMA;
  const bool request = asked.kind == IOMMUCHECK_DUT_ATS_REQUEST;
  iommucheck_dut_op same = answer;
  same.status = asked.status;
  if (asked.kind != IOMMUCHECK_DUT_RECORD_EVENT) same.pa = asked.pa;
  const bool writes =
      dma ? (asked.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0
          : asked.kind != IOMMUCHECK_DUT_READ && asked.kind != IOMMUCHECK_DUT_LOAD && !request;
  if (!writes) same.value = asked.value;
  if (std::memcmp(&same, &asked, sizeof same) != 0) {
    return bad_answer("the answer to " + op_text(asked) + " is to another operation");
  }
  switch (answer.status) {
    case IOMMUCHECK_DUT_DONE: break;
    case IOMMUCHECK_DUT_TERMINATED:
    case IOMMUCHECK_DUT_STALLED:
      if (dma) break;
      return bad_answer(fmt::format("{} has status {}", op_text(asked), answer.status));
    case IOMMUCHECK_DUT_UNSUPPORTED:
    case IOMMUCHECK_DUT_COMPLETER_ABORT:
      if (request) break;
      return bad_answer(fmt::format("{} has status {}", op_text(asked), answer.status));
    case IOMMUCHECK_DUT_NO_REPLY: return bad_answer(op_text(asked) + " has no reply");
    case IOMMUCHECK_DUT_REFUSED:
      if (asked.kind == IOMMUCHECK_DUT_READ) refused_read_ = asked.where;
      return fail(ErrorCode::environment, "refuses " + op_text(asked));
    default:
      return bad_answer(fmt::format("{} has the unknown status {}", op_text(asked), answer.status));
  }
  const bool done = answer.status == IOMMUCHECK_DUT_DONE;
  if (request) return take_grant(answer, ticket);
  if (done && !writes && asked.bytes < 8 && answer.value >> (8 * asked.bytes) != 0) {
    return bad_answer(fmt::format("{} has the value {:#x}", op_text(asked), answer.value));
  }
  if (done && dma && says(IOMMUCHECK_DUT_GIVES_PA) && answer.pa >> 52 != 0) {
    return bad_answer(fmt::format("{} went to {:#x}", op_text(asked), answer.pa));
  }
  if (ticket == no_ticket) return {};
  answers_[ticket].value = answer.value;
  if (dma) take_access(answer, ticket);
  return {};
}

Expected<void> DoorDevice::take_grant(const iommucheck_dut_op& answer, Ticket ticket) {
  AtsSeen& seen = answers_[ticket].ats;
  if (answer.status != IOMMUCHECK_DUT_DONE) {
    seen.result = answer.status == IOMMUCHECK_DUT_UNSUPPORTED ? trace::AtsResult::unsupported
                                                              : trace::AtsResult::completer_abort;
    return {};
  }
  const u64 extent = bits(answer.value, 13, 8);
  seen.result = trace::AtsResult::success;
  seen.rights.read = (answer.value & IOMMUCHECK_DUT_MAY_READ) != 0;
  seen.rights.write = (answer.value & IOMMUCHECK_DUT_MAY_WRITE) != 0;
  if (answer.value >> 14 != 0 || bits(answer.value, 7, 2) != 0 || answer.pa >> 52 != 0) {
    return bad_answer(
        fmt::format("a translation request is granted {:#x} at {:#x}", answer.value, answer.pa));
  }
  seen.pa = answer.pa;
  seen.bytes = pow2(static_cast<unsigned>(extent));
  return {};
}

void DoorDevice::take_access(const iommucheck_dut_op& answer, Ticket ticket) {
  DmaSeen& seen = answers_[ticket].seen;
  seen.stalled = answer.status == IOMMUCHECK_DUT_STALLED;
  seen.reached = answer.status == IOMMUCHECK_DUT_DONE;
  if (!seen.reached) return;
  if (says(IOMMUCHECK_DUT_GIVES_PA)) {
    seen.pa = answer.pa;
  } else if ((answer.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0) {
    seen.pa = memory_->take_mark(static_cast<u32>(answer.value), answer.address);
  } else if (answer.value - TesterMemory::data_pa < TesterMemory::data_bytes &&
             answer.value % 4 == 0) {  // not a leaf's descriptor, which may be read, too
    seen.pa = answer.value;
  }
}

void DoorDevice::mmio_write(u32 offset, unsigned size, u64 value) {
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_WRITE;
  op.bytes = static_cast<u8>(size);
  op.where = offset;
  op.value = size == 4 ? value & 0xffffffff : value;
  ask(op, no_ticket);
}

Ticket DoorDevice::mmio_read(u32 offset, unsigned size) {
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_READ;
  op.bytes = static_cast<u8>(size);
  op.where = offset;
  const Ticket its = ticket();
  ask(op, its);
  return its;
}

// Memory of ours changes when everything before has been done.
void DoorDevice::store(u64 pa, u64 value) {
  if (!says(IOMMUCHECK_DUT_HOLDS_MEMORY)) {
    flush();
    if (host_ != nullptr) host_->store(pa, value);
    return memory_->store(pa, value);
  }
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_STORE;
  op.bytes = 8;
  op.address = pa;
  op.value = value;
  ask(op, no_ticket);
}

void DoorDevice::fill(u64 pa, u64 words, u64 value) {
  if (!says(IOMMUCHECK_DUT_HOLDS_MEMORY)) {
    flush();
    if (host_ != nullptr) host_->fill(pa, words, value);
    return memory_->fill(pa, words, value);
  }
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_FILL;
  op.bytes = 8;
  op.where = static_cast<u32>(std::min<u64>(words, ~u32{0}));
  op.address = pa;
  op.value = value;
  ask(op, no_ticket);
}

Ticket DoorDevice::load(u64 pa) {
  const Ticket its = ticket();
  if (!says(IOMMUCHECK_DUT_HOLDS_MEMORY)) {
    flush();
    answers_[its].value = memory_->load(pa);
    return its;
  }
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_LOAD;
  op.bytes = 8;
  op.address = pa;
  ask(op, its);
  return its;
}

/// What an engine sends: an access, or a translation request for one.
iommucheck_dut_op DoorDevice::sent_by(unsigned engine, u64 iova, bool write,
                                      DmaAttributes attributes) const {
  iommucheck_dut_op op{};
  op.where = identity_.sids[engine];
  op.address = iova;
  if (write) op.attributes |= IOMMUCHECK_DUT_IS_WRITE;
  if (attributes.translated) op.attributes |= IOMMUCHECK_DUT_IS_TRANSLATED;
  if (attributes.privileged) op.attributes |= IOMMUCHECK_DUT_IS_PRIVILEGED;
  if (attributes.instruction) op.attributes |= IOMMUCHECK_DUT_IS_INSTRUCTION;
  if (attributes.substream) {
    op.attributes |= IOMMUCHECK_DUT_HAS_SUBSTREAM;
    op.ssid = *attributes.substream;
  }
  return op;
}

/// What the device was asked before has been done by then, and so has what it told its host.
Ticket DoorDevice::dma_at_host(unsigned engine, u64 iova, bool write,
                               const DmaAttributes& attributes) {
  flush();
  const Ticket its = ticket();
  if (broken_) return its;
  const HostSmmu::Answer done = host_->dma(identity_.sids[engine], iova, write, attributes);
  answers_[its].seen = done.seen;
  if (!done.record) return its;
  ++counts_.host_records;
  const auto& words = *done.record;
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_RECORD_EVENT;
  op.where = static_cast<u32>(words[0] >> 32);
  op.ssid = static_cast<u32>(words[0]);
  op.address = words[1];
  op.value = words[2];
  op.pa = words[3];
  ask(op, no_ticket);
  return its;
}

Ticket DoorDevice::dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  if (host_ != nullptr) return dma_at_host(engine, iova, write, attributes);
  iommucheck_dut_op op = sent_by(engine, iova, write, attributes);
  op.kind = IOMMUCHECK_DUT_DMA;
  op.bytes = 4;
  if (write) op.value = 0xe0000000U | (marks_++ & 0x0fffffffU);  // no address of the data
  const Ticket its = ticket();
  ask(op, its);
  // What it wrote is looked for before anything else can come there.
  if (write && !says(IOMMUCHECK_DUT_GIVES_PA)) flush();
  return its;
}

Ticket DoorDevice::ats_request(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  iommucheck_dut_op op = sent_by(engine, iova, write, attributes);
  op.kind = IOMMUCHECK_DUT_ATS_REQUEST;
  const Ticket its = ticket();
  ask(op, its);
  return its;
}

void DoorDevice::invalidated(u32 tag) {
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_ATC_DONE;
  op.where = tag;
  ask(op, no_ticket);
}

void DoorDevice::invalidations_time_out() {
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_ATC_TIME_OUT;
  ask(op, no_ticket);
}

void DoorDevice::page_request(const spec::PageRequest& request) {
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_PAGE_REQUEST;
  op.where = request.sid;
  op.address = request.address;
  op.value = request.prg_index;
  if (request.read) op.attributes |= IOMMUCHECK_DUT_IS_READ;
  if (request.write) op.attributes |= IOMMUCHECK_DUT_IS_WRITE;
  if (request.last) op.attributes |= IOMMUCHECK_DUT_IS_LAST;
  if (request.execute) op.attributes |= IOMMUCHECK_DUT_IS_INSTRUCTION;
  if (request.privileged) op.attributes |= IOMMUCHECK_DUT_IS_PRIVILEGED;
  if (request.ssid) {
    op.attributes |= IOMMUCHECK_DUT_HAS_SUBSTREAM;
    op.ssid = *request.ssid;
  }
  ask(op, no_ticket);
}

void DoorDevice::save_restore() {
  iommucheck_dut_op op{};
  op.kind = IOMMUCHECK_DUT_SAVE_RESTORE;
  ask(op, no_ticket);
}

Expected<void> DoorDevice::settle() {
  flush();
  if (broken_) return fail(ErrorCode::unsupported, why_broken_);
  return {};
}

Expected<void> DoorDevice::ask_for_reset() {
  auto sent = peer_.channel().send(IOMMUCHECK_FRAME_RESET, {}, in_seconds(options_.hang_seconds));
  auto bytes = wait_for(IOMMUCHECK_FRAME_READY, options_.hang_seconds);
  if (!bytes) return std::unexpected(bytes.error());
  return sent;
}

Expected<void> DoorDevice::reset() {
  flush();
  answers_.clear();
  interrupts_.clear();
  invalidations_.clear();
  responses_.clear();
  high_ = {};
  memory_->reset();
  if (host_ != nullptr) host_->reset();
  std::string died;
  if (!broken_) {
    auto ok = ask_for_reset();
    if (ok) return {};
    died = post_mortem("did not survive the reset after the case before: it " + ok.error().message);
  }
  ++counts_.restarts;
  if (auto ok = begin(); !ok) return ok;
  if (host_ != nullptr) host_->reset();  // what the one before has installed is gone
  if (auto ok = ask_for_reset(); !ok) {
    return fail(ErrorCode::bad_input, options_.device + ": a device that was just opened: " +
                                          post_mortem(ok.error().message));
  }
  // It is a finding all the same: the case that comes now is told.
  broken_ = !died.empty();
  why_broken_ = died;
  return {};
}

}  // namespace iommucheck::oracle
