// SPDX-License-Identifier: MIT
// A fast SMMUv3 for a VMM or a simulator: the Non-secure machine that its ID registers claim.
//
//   Smmu      registers, command queue, output queues, interrupts: the guest's side
//   Port      accesses of devices: one for each thread that has some
//   Memory    physical memory (memory.h)
//   Host      what the model tells: interrupts, messages to endpoints, stalls that end
//
// Threads. Every function may be called from any thread; a Port by one at a time. An access that
// hits in the caches takes no lock and writes nothing that another thread reads. A register write
// does what it causes before it returns, so that registers show all of it (PROMPT of device.h).
//
// Sections. An answer is a physical address that the embedder uses afterwards. What a CMD_SYNC or
// the clearing of SMMUEN promises (IHI 0070 4.7.3, 6.3.9.6) holds for accesses that it knows of: a
// Port::Section spans the access and its use, and commands wait for the sections that are open. So
// whoever is in a section does not write registers, and leaves it in bounded time.
//
// Bounds. A guest has tables, queues and registers in its hand. Nothing that it writes makes the
// model allocate, throw or loop: a walk reads at most 40 descriptors four times, a register write
// does a bounded part of the commands (work_left()), caches and stalls have fixed sizes.
#pragma once

#include <atomic>
#include <expected>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "impl/device/config_cache.h"
#include "impl/device/memory.h"
#include "impl/device/tlb.h"
#include "impl/device/walk.h"

namespace iommucheck::device {

/// A wired interrupt, one pulse. The numbers are those of device.h.
enum class Line : u8 { event_queue = 0, page_requests = 1, global_error = 2, command_sync = 3 };

/// How a stalled access goes on.
enum class StallEnd : u8 { retry, abort, raz_wi };

/// CMD_ATC_INV, as the request on the bus says it. `bytes` 0: everything; else `address` is a
/// multiple of it.
struct AtcInvalidation {
  u32 sid = 0;
  bool ssv = false, global = false;
  u32 ssid = 0;
  u32 tag = 0;  ///< atc_done() brings it back
  u64 address = 0, bytes = 0;
};

struct PageResponse {
  u32 sid = 0;
  bool ssv = false;
  u32 ssid = 0, prg_index = 0;
  u32 code = 0;  ///< ResponseCode: 0 Success, 1 Invalid Request, 15 Response Failure
};

/// Called with locks of the model held, from whichever thread caused it: none of them calls the
/// model, none throws.
class Host {
 public:
  virtual ~Host() = default;
  virtual void interrupt(Line line) noexcept = 0;
  virtual void atc_invalidate(const AtcInvalidation& /*request*/) noexcept {}
  virtual void page_response(const PageResponse& /*response*/) noexcept {}
  /// The access that was answered `stalled` with that STAG. The STAG is free from now on.
  virtual void stall_ended(u32 /*sid*/, u16 /*stag*/, StallEnd /*how*/) noexcept {}
};

/// An access of a device, of what lies in one aligned block of 4 KiB.
struct Access {
  u32 sid = 0;
  bool ssv = false;  ///< it has a SubstreamID
  u32 ssid = 0;
  u64 address = 0;
  Type type = Type::read;
  bool privileged = false;
  bool translated = false;  ///< PCIe AT: `address` is one that ATS gave
};

enum class End : u8 {
  passed,
  aborted,
  raz_wi,   ///< reads are answered with 0, writes ignored
  stalled,  ///< until Host::stall_ended()
  waits,    ///< it would stall and its event cannot be recorded yet: to be sent again later
};

struct Answer {
  End end = End::aborted;
  Event event = Event::none;  ///< why it did not pass, whether that was recorded or not
  u8 lg2 = 12;                ///< of the aligned block of input addresses that goes the same way
  u16 stag = 0;               ///< of `stalled`
  u64 pa = 0;                 ///< of `passed`
  u32 attributes = 0;         ///< of the leaves: attributes::
};

/// Attributes of the leaves that translated it, as descriptors have them; 0 where none did.
namespace attributes {
constexpr u8 mair(u32 a) { return static_cast<u8>(a); }                ///< of stage 1
constexpr u8 sh(u32 a) { return static_cast<u8>(a >> 8 & 3); }         ///< of stage 1
constexpr u8 memattr(u32 a) { return static_cast<u8>(a >> 16 & 15); }  ///< of stage 2
constexpr u8 sh2(u32 a) { return static_cast<u8>(a >> 20 & 3); }       ///< of stage 2
constexpr bool fwb(u32 a) { return (a >> 22 & 1) != 0; }               ///< S2FWB counts
}  // namespace attributes

struct AtsRequest {
  u32 sid = 0;
  bool ssv = false;
  u32 ssid = 0;
  u64 address = 0;
  bool write = false;  ///< NW = 0
  bool privileged = false;
};

struct AtsAnswer {
  enum class Status : u8 { success, unsupported_request, completer_abort };
  Status status = Status::success;
  bool read = false, write = false, execute = false, global = false;
  u8 lg2 = 12;
  u64 pa = 0;  ///< where the address leads, with any right
};

struct PageRequest {
  u32 sid = 0;
  bool ssv = false;
  u32 ssid = 0;
  u64 address = 0;
  u32 prg_index = 0;
  bool last = false, write = false, read = false, execute = false, privileged = false;
};

/// Sizes of the caches: 4 * 2^n entries.
struct CacheSizes {
  unsigned tlb_lg2 = 11, config_lg2 = 6;
};

struct Config {
  Features features;
  CacheSizes caches;
  std::span<const Window> windows;  ///< copied
};

class Port;

class Smmu {
 public:
  /// An error says which feature cannot be. `memory` and `host` outlive it.
  static std::expected<std::unique_ptr<Smmu>, std::string> create(const Config& config,
                                                                  Memory& memory, Host& host);
  Smmu(const Smmu&) = delete;
  Smmu& operator=(const Smmu&) = delete;

  /// As after power on: registers, queues and stalls, and nothing is cached. What is stalled is
  /// forgotten without a word.
  void reset();

  /// Registers, by their offset; 4 or 8 bytes, a multiple of them. What is none reads as 0.
  u64 read(u32 offset, unsigned bytes);
  void write(u32 offset, unsigned bytes, u64 value);

  /// Commands are left that a register write did not do for its bound: work() does more.
  [[nodiscard]] bool work_left() const { return work_left_.load(std::memory_order_relaxed); }
  void work();

  /// An endpoint has done the invalidation; or all that are open have timed out.
  void atc_done(u32 tag);
  void atc_time_out();
  void page_request(const PageRequest& request);

  /// What a migration takes along: registers, indices, stalls, the tags that endpoints have not
  /// brought back; nothing that is cached. restore() brings it into a machine of the same features.
  /// False: it is of another machine, and nothing has changed.
  static constexpr std::size_t state_bytes = 4096;
  [[nodiscard]] std::size_t save(std::span<std::byte, state_bytes> to);
  bool restore(std::span<const std::byte> from);

  [[nodiscard]] const Features& features() const { return features_; }

 private:
  friend class Port;
  Smmu(const Config& config, Memory& memory, Host& host);

  // ---- what accesses see of the registers -------------------------------------------------------
  struct Mode {
    bool smmuen = false, gbpa_abort = false, atschk = false;
    bool recinvsid = false, rec_cfg_ats = false, e2h = false;
    bool two_level = false;
    u8 sid_bits = 0, split = 6;
    u64 streams = 0;
    u64 epoch = 0;  ///< of the caches when this was read
  };
  struct Queue {
    u64 base = 0;
    u32 prod = 0, cons = 0;
  };
  struct Msi {
    u64 address = 0;
    u32 data = 0, attributes = 0;
  };
  struct Stall {
    u32 sid = 0;
    u32 used = 0;
  };
  /// Entries of caches and commands that a register access looks at, at most, and one scan more.
  static constexpr u64 work_at_once = 1 << 16;
  static constexpr std::size_t stalls_most = 256, invalidations_most = 1024;
  struct Registers {
    u32 cr0 = 0, cr1 = 0, cr2 = 0, gbpa = 0x1000;
    u32 irq_ctrl = 0, gerror = 0, gerrorn = 0;
    u32 gerrorn_read = 0;  ///< GERRORN as it was written, which is how it reads
    u32 strtab_cfg = 0;
    u64 strtab = 0;
    Queue commands, events, pages;
    std::array<Msi, 3> msi{};  ///< by Line
    std::array<Stall, stalls_most> stalls{};
    /// CMD_ATC_INV that endpoints have not done, a bit for each tag; by control_.
    std::array<u64, invalidations_most / 64> open{};
    u32 open_count = 0, next_tag = 0, timed_out = 0;
  };

  // registers.cpp
  u64 read_word(u32 offset);
  void write_word(u32 offset, u32 value);
  void write_cr0(u32 value);
  void write_irq_ctrl(u32 value);
  u64* wide(u32 offset);
  [[nodiscard]] bool is_open(u32 offset) const;
  [[nodiscard]] u64 stored(u32 offset, u64 value) const;
  void publish();
  [[nodiscard]] Mode mode();
  [[nodiscard]] u32 cr0_fields() const;

  // commands.cpp
  void run_commands(u64 budget);
  [[nodiscard]] u64 execute(u64 low, u64 high, u32& error, bool& waits);
  [[nodiscard]] bool is_legal(u64 low, u64 high) const;
  [[nodiscard]] bool exists(u64 op) const;
  u64 invalidate_tlb(u64 low, u64 high);
  u64 invalidate_config(u64 low, u64 high);
  void send_atc(u64 low, u64 high);
  void end_stalls(u64 low, u64 high);
  void complete_sync(u64 low, u64 high);
  void synchronize();

  // outputs.cpp
  enum class Recorded : u8 { written, lost };
  Recorded record(const std::array<u64, 4>& words);
  Recorded record_locked(const std::array<u64, 4>& words);
  std::optional<u16> record_stall(u32 sid, std::array<u64, 4> words);
  [[nodiscard]] bool may_record() const;
  void raise(u32 error);
  void raise_locked(u32 error);
  void signal(Line line, u32 enable, u32 error);
  void signal_pages(bool by_first);
  void answer_overflow(const PageRequest& request);
  void send_response(const PageRequest& request, u32 code, bool tagged);
  void end_all_stalls();

  // structures.cpp: what fails is a Fault
  bool find_ste(const Mode& mode, u32 sid, Words& ste, Fault& fault) const;
  bool find_cd(const Words& ste, u32 number, const Context& context, Words& cd, Found& found,
               Fault& fault) const;
  bool find_context(const Mode& mode, const Access& access, Context& out, Found& found,
                    Fault& fault) const;

  const Features features_;
  const IdWords id_;
  Bus bus_;
  Host& host_;

  std::mutex control_;  // registers and commands; taken first
  std::mutex outputs_;  // output queues, GERROR, stalls
  std::mutex fills_;    // of the caches
  std::mutex mode_lock_;
  Registers r_;  // cr0 to cr2, gbpa, strtab, commands by control_; the rest by outputs_
  Mode mode_;    // by mode_lock_
  ConfigCache configs_;
  Tlb tlb_;
  std::atomic<u64> epoch_{1};      // changes with every Mode and every CFGI
  std::atomic<u64> tlb_epoch_{1};  // with every TLBI
  std::atomic<bool> work_left_{false};

  std::mutex ports_lock_;
  Port* ports_ = nullptr;  // by ports_lock_
};

/// The accesses of one thread.
class Port {
 public:
  explicit Port(Smmu& smmu);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  [[gnu::always_inline]] Answer access(Access access) {
    Answer answer;
    const Recent& recent = recent_[place_of(access)];
    const u64 key = ConfigCache::key_of(access.sid, access.ssv, access.ssid);
    if (recent.key == key && recent.epoch == smmu_.epoch_.load(std::memory_order_acquire) &&
        hit(recent.context, access, answer)) [[likely]] {
      return answer;
    }
    // Field by field, so that the one that hits is never in memory: its flags are bytes, and who
    // stores bytes and loads a word waits for the stores.
    const Access missed{.sid = access.sid,
                        .ssv = access.ssv,
                        .ssid = access.ssid,
                        .address = access.address,
                        .type = access.type,
                        .privileged = access.privileged,
                        .translated = access.translated};
    return miss(missed);
  }
  AtsAnswer request(const AtsRequest& request);

  /// Commands that promise that accesses are done wait while it is there.
  class Section {
   public:
    explicit Section(Port& port) : port_(port) {
      port_.inside_.fetch_add(1, std::memory_order_acq_rel);
    }
    ~Section() { port_.inside_.fetch_add(1, std::memory_order_release); }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;

   private:
    Port& port_;
  };

 private:
  friend class Smmu;
  /// Contexts that this thread used last.
  struct Recent {
    u64 key = 0, epoch = 0;
    Context context;
  };
  static constexpr std::size_t recent_count = 8;
  static std::size_t place_of(const Access& access) {
    return (access.sid ^ access.sid >> 3 ^ (access.ssv ? access.ssid : 0)) % recent_count;
  }
  [[gnu::always_inline]] bool hit(const Context& context, const Access& access,
                                  Answer& answer) const {
    if (context.way != Context::Way::translate || access.translated) return false;
    const u32 needs = right::of(context.effective({access.type, access.privileged}));
    Entry entry;
    if (context.stage1 && !context.skips_stage1) {
      const unsigned half = context.two_halves ? access.address >> 55 & 1 : 0;
      const Tables& tables = context.s1.half[half];
      if ((access.address & tables.beyond) != tables.above || tables.off || tables.e0pd) {
        return false;
      }
      const u64 page = tag::of_page(tables.page);
      if (!smmu_.tlb_.find(context.own_tag | page, context.global_tag | page,
                           Walker::tlb_input(access.address, half), entry)) {
        return false;
      }
    } else if (!context.stage2 || (access.address & context.s2.tables.beyond) != 0 ||
               !smmu_.tlb_.find_stage2(context.stage2_tag, access.address, entry)) {
      return false;
    }
    if ((entry.rights & needs) != needs) return false;
    answer.end = End::passed;
    answer.lg2 = entry.lg2;
    answer.pa = entry.output | (access.address & low_mask(entry.lg2));
    answer.attributes = static_cast<u32>(entry.extra);
    return true;
  }
  Answer miss(const Access& access);
  Answer translated(const Smmu::Mode& mode, const Access& access);
  Answer through(const Context& context, const Access& access);
  Answer bypass(const Context& context, const Access& access);
  Answer ended(const Access& access, const Fault& fault, Kind seen, Reaction reaction);
  bool context_of(const Access& access, const Smmu::Mode& mode, const Context*& out, Fault& fault);
  void keep(u64 tlb_epoch);
  AtsAnswer refused(const Smmu::Mode& mode, const Access& access, const Fault& fault);
  void record(const Access& access, const Fault& fault, Kind seen);

  Smmu& smmu_;
  std::atomic<u64> inside_{0};  // odd: in a section
  Port* next_ = nullptr;
  Found found_;
  std::array<Recent, recent_count> recent_{};
};

}  // namespace iommucheck::device
