// SPDX-License-Identifier: MIT
#include "conform/dut/qemu.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "base/bits.h"
#include "base/text.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

constexpr int answer_ms = 5000;
constexpr unsigned looks_max = 5000;

constexpr char hex_digits[] = "0123456789abcdef";

namespace edu = qemu_map::edu;
constexpr u64 bar_of(unsigned engine) { return qemu_map::pci_memory + engine * edu::bar_bytes; }
constexpr u32 sid_of(unsigned engine) { return qemu_map::slot_of(engine) << 3; }

// Memory: structures, a page for copies, data.
constexpr u64 engine_scratch = qemu_map::ram + (u64{60} << 20);
constexpr u64 edu_page = 4096;

/// What engine `engine` writes from word `index` of its buffer: no address of RAM.
constexpr u32 engine_mark(unsigned engine, u64 index) {
  return 0xe0000000U | (engine << 16) | static_cast<u32>(index);
}

const char* read_name(unsigned size) { return size == 8 ? "readq" : "readl"; }
const char* write_name(unsigned size) { return size == 8 ? "writeq" : "writel"; }

}  // namespace

QemuDevice::QemuDevice(std::unique_ptr<QemuProcess> process)
    : process_(std::move(process)), engine_(process_->engines()) {}

Expected<std::unique_ptr<QemuDevice>> QemuDevice::start(const QemuOptions& options) {
  auto process = QemuProcess::start(options);
  if (!process) return std::unexpected(process.error());
  std::unique_ptr<QemuDevice> device(new QemuDevice(std::move(*process)));
  device->tag_memory();
  if (auto ok = device->hear_interrupts(); !ok) return std::unexpected(ok.error());
  if (auto ok = device->set_up_engines(); !ok) return std::unexpected(ok.error());
  if (auto ok = device->identify(); !ok) return std::unexpected(ok.error());
  return device;
}

volatile u32* QemuDevice::word(u64 pa) const {
  return reinterpret_cast<volatile u32*>(process_->ram()) + (pa - qemu_map::ram) / 4;
}

void QemuDevice::tag_memory() {
  for (u64 pa = qemu_map::structures + qemu_map::structures_bytes; pa < engine_scratch; pa += 8) {
    process_->ram()[(pa - qemu_map::ram) / 8] = pa | ((pa + 4) << 32);
  }
}

Expected<void> QemuDevice::identify() {
  identity_.name = "qemu";
  identity_.version = process_->version();
  identity_.structures_pa = qemu_map::structures;
  identity_.structures_bytes = qemu_map::structures_bytes;
  identity_.data_pa = qemu_map::data;
  identity_.data_bytes = qemu_map::data_bytes;
  identity_.absent_pa = qemu_map::absent;
  identity_.absent_bytes = qemu_map::absent_bytes;
  identity_.iova_end = u64{1} << 48;
  identity_.prompt = identity_.far = identity_.wires_interrupts = true;
  for (unsigned i = 0; i < engine_.size(); ++i) identity_.sids.push_back(sid_of(i));
  Ticket idr[6];
  for (u32 i = 0; i < 6; ++i) idr[i] = mmio_read(reg::idr0 + 4 * i, 4);
  const Ticket iidr = mmio_read(reg::iidr, 4);
  const Ticket aidr = mmio_read(reg::aidr, 4);
  if (auto ok = settle(); !ok) return ok;
  for (u32 i = 0; i < 6; ++i) identity_.id.idr[i] = static_cast<u32>(value(idr[i]));
  identity_.id.iidr = static_cast<u32>(value(iidr));
  identity_.id.aidr = static_cast<u32>(value(aidr));
  if (identity_.id.idr[0] == 0) {
    return fail(ErrorCode::environment, "there is no SMMUv3 at " + hex(qemu_map::smmu));
  }
  return {};
}

/// From then on qtest tells of them, wherever it is in its answers.
Expected<void> QemuDevice::hear_interrupts() {
  const auto controller = process_->interrupt_controller();
  if (!controller) return std::unexpected(controller.error());
  process_->qtest().add("irq_intercept_in " + *controller);
  sent(no_ticket);
  return drain();
}

/// BARs, bus mastering, and the words that the engines write.
Expected<void> QemuDevice::set_up_engines() {
  cr0_ = gbpa_ = 0;
  gbpa_used_ = two_level_ = false;
  for (unsigned i = 0; i < engine_.size(); ++i) {
    const u64 config = qemu_map::ecam + (u64{sid_of(i)} << 12);
    command("writel", config + 0x10, bar_of(i));
    command("writew", config + 4, 6);
    for (u64 k = 0; k < buffer_words; ++k) *word(engine_scratch + 4 * k) = engine_mark(i, k);
    engine_[i] = {};
    if (!run_engine(i, engine_scratch, edu::buffer, buffer_words * 4, 0)) break;
  }
  return settle();
}

// ---- the protocol -------------------------------------------------------------------------------

void QemuDevice::failed(const Error& error) {
  if (broken_) return;
  broken_ = true;
  const std::optional<std::string> death = process_->post_mortem();
  why_broken_ = death ? *death : "it still runs and does not answer (" + error.message + ")";
}

void QemuDevice::sent(Ticket ticket) {
  ++counts_.commands;
  expected_.push_back(ticket);
  // Both sides may wait for the other to read, if answers are never fetched.
  if (expected_.size() >= 512) {
    if (auto ok = drain(); !ok) failed(ok.error());
  }
}

void QemuDevice::command(std::string_view name, u64 address, u64 value) {
  if (broken_) return;
  char text[64];
  char* at = text;
  at = std::copy(name.begin(), name.end(), at);
  *at++ = ' ';
  *at++ = '0';
  *at++ = 'x';
  at = std::to_chars(at, text + sizeof text, address, 16).ptr;
  *at++ = ' ';
  *at++ = '0';
  *at++ = 'x';
  at = std::to_chars(at, text + sizeof text, value, 16).ptr;
  process_->qtest().add({text, static_cast<std::size_t>(at - text)});
  sent(no_ticket);
}

Ticket QemuDevice::question(std::string_view name, u64 address) {
  const auto ticket = static_cast<Ticket>(values_.size());
  values_.push_back(0);
  if (broken_) return ticket;
  char text[48];
  char* at = text;
  at = std::copy(name.begin(), name.end(), at);
  *at++ = ' ';
  *at++ = '0';
  *at++ = 'x';
  at = std::to_chars(at, text + sizeof text, address, 16).ptr;
  process_->qtest().add({text, static_cast<std::size_t>(at - text)});
  sent(ticket);
  return ticket;
}

/// "IRQ raise 74"; a pulse ends by itself.
void QemuDevice::note_interrupt(std::string_view line) {
  constexpr std::string_view raised = "IRQ raise ";
  if (!line.starts_with(raised)) return;
  unsigned number = 0;
  std::from_chars(line.data() + raised.size(), line.data() + line.size(), number);
  const unsigned wire = number - qemu_map::first_interrupt;
  if (wire < qemu_map::wires.size()) interrupts_.push_back({qemu_map::wires[wire]});
}

/// Sends what is collected and reads the answers: all, or the first `most`.
Expected<void> QemuDevice::drain(std::size_t most) {
  if (broken_) return fail(ErrorCode::unsupported, why_broken_);
  LineSocket& qtest = process_->qtest();
  if (auto ok = qtest.flush(answer_ms); !ok) return ok;
  const std::size_t n = std::min(most, expected_.size());
  for (std::size_t i = 0; i < n; ++i) {
    auto line = qtest.line(answer_ms);
    while (line && line->starts_with("IRQ ")) {
      note_interrupt(*line);
      line = qtest.line(answer_ms);
    }
    if (!line) return std::unexpected(line.error());
    if (!line->starts_with("OK")) {
      return fail(ErrorCode::environment, "qtest answers '" + std::string(*line) + "'");
    }
    if (expected_[i] == no_ticket) continue;
    const std::size_t x = line->find("0x");
    if (x == std::string_view::npos) return fail(ErrorCode::environment, "qtest gives no value");
    std::from_chars(line->data() + x + 2, line->data() + line->size(), values_[expected_[i]], 16);
  }
  expected_.erase(expected_.begin(), expected_.begin() + static_cast<std::ptrdiff_t>(n));
  return {};
}

// ---- registers and memory -----------------------------------------------------------------------

void QemuDevice::before_next() {
  if (!independent_) finish_dmas();
}

void QemuDevice::mmio_write(u32 offset, unsigned size, u64 value) {
  before_next();
  if (offset == reg::cr0) cr0_ = value;
  if (offset == reg::gbpa) {
    gbpa_ = value;
    gbpa_used_ = true;
  }
  if (offset == reg::strtab_base_cfg) two_level_ |= bits(value, 17, 16) != 0;
  command(write_name(size), qemu_map::smmu + offset, value);
}

Ticket QemuDevice::mmio_read(u32 offset, unsigned size) {
  before_next();
  return question(read_name(size), qemu_map::smmu + offset);
}

// Past what was already asked, memory is written in its turn; else directly.
void QemuDevice::store(u64 pa, u64 value) {
  before_next();
  if (pa - qemu_map::ram >= qemu_map::ram_bytes) return;
  note_stored(pa, 8);
  if (expected_.empty() || independent_) {
    reinterpret_cast<volatile u64*>(process_->ram())[(pa - qemu_map::ram) / 8] = value;
    return;
  }
  command("writeq", pa, value);
}

void QemuDevice::fill(u64 pa, u64 words, u64 value) {
  before_next();
  if (pa - qemu_map::ram + 8 * words > qemu_map::ram_bytes) return;
  note_stored(pa, 8 * words);
  if (!expected_.empty()) {
    if (auto ok = drain(); !ok) return failed(ok.error());
  }
  std::fill_n(process_->ram() + (pa - qemu_map::ram) / 8, words, value);
}

void QemuDevice::note_stored(u64 pa, u64 bytes) {
  if (pa - qemu_map::structures < qemu_map::structures_bytes) {
    stored_bytes_ = std::max(
        stored_bytes_, std::min(pa - qemu_map::structures + bytes, qemu_map::structures_bytes));
  }
}

/// A case that is made short must not live on what one before it has left there.
void QemuDevice::clear_structures() {
  std::fill_n(process_->ram() + (qemu_map::structures - qemu_map::ram) / 8, stored_bytes_ / 8,
              u64{0});
  stored_bytes_ = 0;
}

Ticket QemuDevice::load(u64 pa) {
  before_next();
  if (expected_.empty() && pa - qemu_map::ram < qemu_map::ram_bytes) {
    const u64 held = reinterpret_cast<volatile u64*>(process_->ram())[(pa - qemu_map::ram) / 8];
    values_.push_back(held);
    return static_cast<Ticket>(values_.size() - 1);
  }
  return question("readq", pa);
}

// ---- DMA ----------------------------------------------------------------------------------------

/// Engines that are asked one after the other run in that order, and are waited for together: a
/// timer of the machine that is set later runs out later. They send no attributes.
Ticket QemuDevice::dma(unsigned number, u64 iova, bool write, DmaAttributes /*attributes*/) {
  Engine& engine = engine_[number];
  bool wait = engine.running || engine.reads.size() == read_slots;
  // A second write might go where the first one is still to be found.
  for (const Engine& other : engine_) {
    wait |= write && other.running && other.write && (other.iova ^ iova) % edu_page == 0;
  }
  if (wait) finish_dmas();
  if (engine.reads.size() == read_slots) read_back(number);
  const auto ticket = static_cast<Ticket>(values_.size());
  values_.push_back(seen_.size());
  seen_.emplace_back();
  if (broken_) return ticket;
  ++counts_.dmas;
  engine.running = true;
  engine.write = write;
  engine.ticket = ticket;
  engine.iova = iova;
  if (write) {
    engine.next_word = (engine.next_word + 1) % buffer_words;
    start_engine(number, edu::buffer + 4 * engine.next_word, iova, 4, edu::to_memory);
  } else {
    const u64 slot = buffer_words + engine.reads.size();
    start_engine(number, iova, edu::buffer + 4 * slot, 4, 0);
    engine.reads.push_back(ticket);
  }
  return ticket;
}

/// Its four registers lie side by side: one command of qtest writes them, in their order.
void QemuDevice::start_engine(unsigned number, u64 source, u64 destination, u64 bytes,
                              u64 direction) {
  static_assert(edu::destination == edu::source + 8 && edu::count == edu::source + 16 &&
                edu::command == edu::source + 24);
  if (broken_) return;
  last_started_ = number;
  char text[96];
  char* at = text;
  const auto add = [&](std::string_view piece) { at = std::copy(piece.begin(), piece.end(), at); };
  add("write 0x");
  at = std::to_chars(at, text + sizeof text, bar_of(number) + edu::source, 16).ptr;
  add(" 0x20 0x");
  for (const u64 value : {source, destination, bytes, edu::start | direction}) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      *at++ = hex_digits[(value >> (8 * byte + 4)) & 15];
      *at++ = hex_digits[(value >> (8 * byte)) & 15];
    }
  }
  process_->qtest().add({text, static_cast<std::size_t>(at - text)});
  sent(no_ticket);
}

/// Asks whether the engine that was started last still runs: its timer runs out last. Nothing
/// else is asked before it has ended.
void QemuDevice::look_at_engines() {
  const auto first = static_cast<Ticket>(values_.size());
  const Ticket look = question("readq", bar_of(last_started_) + edu::command);
  if (auto ok = drain(); !ok) failed(ok.error());
  const bool runs = (values_[look] & edu::start) != 0;
  values_.resize(first);
  if (runs || broken_) return;
  for (unsigned i = 0; i < engine_.size(); ++i) {
    if (!std::exchange(engine_[i].running, false)) continue;
    if (engine_[i].write) look_for(i);
  }
}

void QemuDevice::finish_dmas() {
  const auto runs = [this] {
    return std::ranges::any_of(engine_, [](const Engine& engine) { return engine.running; });
  };
  if (!runs()) return;
  // The clock jumps to the timers when QEMU has read what was sent: what is sent after its first
  // answer is read behind that.
  if (!broken_ && !expected_.empty()) {
    if (auto ok = drain(1); !ok) failed(ok.error());
  }
  for (unsigned looks = 0; runs() && !broken_; ++looks) {
    // QEMU's CPU thread has to get a turn, which a flood of questions would keep it from.
    if (looks > 2) std::this_thread::sleep_for(std::chrono::microseconds(looks > 100 ? 500 : 10));
    look_at_engines();
    if (looks == looks_max) failed({ErrorCode::environment, "a DMA does not end"});
  }
  for (Engine& engine : engine_) engine.running = false;
}

/// A copy within the machine, while SMMUEN = 0.
bool QemuDevice::run_engine(unsigned number, u64 source, u64 destination, u64 bytes,
                            u64 direction) {
  start_engine(number, source, destination, bytes, direction);
  engine_[number].running = true;
  engine_[number].write = false;
  finish_dmas();
  return !broken_;
}

void QemuDevice::break_for_test() { run_engine(0, engine_scratch, 0, 4, 0); }

/// Where the last write of the engine went; the word is put back.
void QemuDevice::look_for(unsigned number) {
  const Engine& engine = engine_[number];
  const u32 wanted = engine_mark(number, engine.next_word);
  engine_[number].went[engine.next_word] = 0;
  const u64 offset = engine.iova % edu_page;
  const auto there = [&](u64 first) {
    volatile u32* place = word(first + offset);
    if (*place != wanted) return false;
    *place = static_cast<u32>(first + offset);
    engine_[number].went[engine.next_word] = first + offset;
    seen_[values_[engine.ticket]] = {.reached = true, .pa = first + offset, .stalled = false};
    return true;
  };
  for (const u64 first : recent_) {
    if (there(first)) return;
  }
  for (u64 first = qemu_map::data; first < qemu_map::data + qemu_map::data_bytes;
       first += edu_page) {
    if (!there(first)) continue;
    recent_.push_front(first);
    if (recent_.size() > 16) recent_.pop_back();
    return;
  }
}

/// Fetches what the engine read.
void QemuDevice::read_back(unsigned number) {
  Engine& engine = engine_[number];
  if (engine.reads.empty() || broken_) return;
  const bool aborts = gbpa_used_ && (gbpa_ & spec::gbpa::abort) != 0;
  const u64 pass = (gbpa_ & ~u64{spec::gbpa::abort}) | spec::gbpa::update;
  if (aborts) command("writel", qemu_map::smmu + reg::gbpa, pass);
  command("writel", qemu_map::smmu + reg::cr0, cr0_ & ~u64{spec::cr0::smmuen});
  run_engine(number, edu::buffer + 4 * buffer_words, engine_scratch, 4 * engine.reads.size(),
             edu::to_memory);
  command("writel", qemu_map::smmu + reg::cr0, cr0_);
  if (aborts) command("writel", qemu_map::smmu + reg::gbpa, gbpa_ | spec::gbpa::update);
  if (broken_) return;
  for (std::size_t i = 0; i < engine.reads.size(); ++i) {
    const u32 got = *word(engine_scratch + 4 * i);
    DmaSeen& seen = seen_[values_[engine.reads[i]]];
    seen.reached = got != 0;
    // A descriptor of a leaf, read where nothing is translated, is none: it is no multiple of 4.
    const bool named = got >= qemu_map::structures + qemu_map::structures_bytes &&
                       got < engine_scratch && got % 4 == 0;
    if (seen.reached && named) seen.pa = got;
    // What a write left there, before it was put back.
    const unsigned writer = (got >> 16) & 0xff;
    if (got >> 24 == 0xe0 && writer < engine_.size() && (got & 0xffff) < buffer_words) {
      const u64 went = engine_[writer].went[got & 0xffff];
      if (went != 0) seen.pa = went;
    }
  }
  engine.reads.clear();
}

void QemuDevice::read_back_all() {
  for (unsigned i = 0; i < engine_.size(); ++i) read_back(i);
}

Expected<void> QemuDevice::settle() {
  finish_dmas();
  read_back_all();
  if (!broken_ && !expected_.empty()) {
    if (auto ok = drain(); !ok) failed(ok.error());
  }
  if (broken_) return fail(ErrorCode::unsupported, why_broken_);
  return {};
}

// ---- between cases ------------------------------------------------------------------------------

Expected<void> QemuDevice::reset() {
  if (!broken_) (void)settle();
  values_.clear();
  seen_.clear();
  interrupts_.clear();
  if (broken_) {
    expected_.clear();
    broken_ = false;
    ++counts_.restarts;
    if (auto ok = process_->restart(); !ok) return ok;
    clear_structures();
    tag_memory();  // whatever the one that died has left in data
    if (auto ok = hear_interrupts(); !ok) return ok;
    return set_up_engines();
  }
  const Ticket gerror = mmio_read(reg::gerror, 4);
  if (auto ok = settle(); !ok) return reset();
  clear_structures();
  // GERROR keeps its bits, a stream table of two levels its format: only a reset undoes them.
  if (value(gerror) != 0 || two_level_ || gbpa_used_ || always_system_reset_) {
    ++counts_.system_resets;
    if (auto ok = process_->system_reset(); !ok) {
      failed(ok.error());
      return reset();
    }
    return set_up_engines();
  }
  mmio_write(reg::cr0, 4, 0);
  for (const u32 offset : {reg::cr1, reg::cr2, reg::strtab_base_cfg, reg::cmdq_prod, reg::cmdq_cons,
                           reg::eventq_prod, reg::eventq_cons, reg::gerrorn, reg::irq_ctrl}) {
    mmio_write(offset, 4, 0);
  }
  for (const u32 offset : {reg::strtab_base, reg::cmdq_base, reg::eventq_base}) {
    mmio_write(offset, 8, 0);
  }
  return {};
}

/// Flash memory keeps what was written there over any reset of the machine: a process of its own.
Expected<void> QemuDevice::renew() {
  if (!broken_) (void)settle();
  broken_ = true;
  return reset();
}

}  // namespace iommucheck::oracle
