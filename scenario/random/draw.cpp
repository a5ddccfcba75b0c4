// SPDX-License-Identifier: MIT
#include "scenario/random/draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>

#include "base/random.h"

namespace iommucheck::oracle::stories {
namespace {

constexpr u64 page_bytes = 0x1000;
constexpr u64 block_bytes = 0x200000;
constexpr u64 pages_of_run = 16;
constexpr u64 pages_of_processes = 6;  ///< the first ones; a process's page is nobody's to reuse
constexpr std::size_t domains_max = 4;
constexpr std::size_t spaces_max = 7;
/// From here on the numbers of some sequences are: beyond what one page of a table may hold.
constexpr u64 high_numbers = 1021;

/// In place of a queue in fault_respond: its own handlers have the device's faults.
constexpr std::string_view handlers = "handler";

/// A few crowded places: around the borders of tables, where ranges meet.
constexpr std::array<u64, 5> places{0, 0x2000, 0x1ff000, block_bytes, 0x40000000};

class Drawer {
 public:
  Drawer(u64 seed, u64 number, const DrawOptions& options)
      : words_(SplitMix64::mixed(seed) ^ SplitMix64::mixed(number + 0x5eed)), options_(options) {
    add("@ RANDOM-{}-{} random drawn", seed, number);
  }

  std::vector<std::string> draw() {
    declare();
    begin();
    for (u32 i = 0; i < options_.steps; ++i) step();
    return std::move(lines_);
  }

 private:
  struct Space {
    enum class Kind : u8 { domain, io_mm, task, dynamic };
    Kind kind = Kind::domain;
    std::string name;
    /// Of an io_mm the domain it was made from, by its number; of a task the device.
    u64 owner = 0;
    bool paging = true;
    bool is_master = false;
    std::string table{};                        ///< of a dynamic one
    std::vector<std::pair<u64, u64>> ranges{};  ///< asked to be mapped
  };
  struct Device {
    bool there = true;
    bool grouped = false;
    bool waits = false;
    bool initialised = false;
    std::string attached{};  ///< the domain
    std::string bank{};      ///< the table that its context bank has
  };
  struct Process {
    std::string name;
    bool lives = true;
    std::set<u64> pages{};
  };

  u64 below(u64 count) { return words_.below(count); }
  bool one_in(u64 count) { return below(count) == 0; }

  template <class... Parts>
  void add(fmt::format_string<Parts...> format, Parts&&... parts) {
    lines_.push_back(fmt::format(format, std::forward<Parts>(parts)...));
  }
  /// A call. Once a process was told to go, any may have to wait for its handlers: from then on
  /// each is a thread's own.
  template <class... Parts>
  void call(fmt::format_string<Parts...> format, Parts&&... parts) {
    const std::string text = fmt::format(format, std::forward<Parts>(parts)...);
    if (exits_ == 0) return add("{} -> any", text);
    add("T{}: {} -> any | blocked", ++threads_, text);
  }

  // ---- the machine ----

  void declare() {
    std::string world;
    per_device_ = one_in(4);
    if (per_device_) world += " tables=per_device";
    if (one_in(5)) world += " iova_bits=39";
    if (!world.empty()) add("world{}", world);
    devices_.resize(2 + below(2));
    const bool grouped = one_in(6);  // the first two: they move together, and have no PASIDs
    if (one_in(3)) first_number_ = high_numbers;
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      Device& device = devices_[i];
      device.waits = one_in(2) && options_.faults_wait;
      device.grouped = grouped && i < 2;
      add("dev D{}{}{}{}{}{}", i, device.waits ? " iopf=pri" : "", one_in(2) ? " ats=1" : "",
          one_in(3) ? " sids=2" : "", device.grouped ? " group=g" : "",
          first_number_ != 0 && !one_in(4) ? " pasids=4096" : "");
    }
    add("run R {}", pages_of_run);
    add("huge H G");
    add("proc X Y");
    processes_ = {{.name = "X"}, {.name = "Y"}};
  }

  void begin() {
    alloc_domain(true);
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (i == 0 || !one_in(4)) attach(spaces_[0], i);
      if (!one_in(5)) initialise(i);
    }
  }

  // ---- choices ----

  std::optional<std::size_t> any_device() {
    const std::size_t first = below(devices_.size());
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const std::size_t device = (first + i) % devices_.size();
      if (devices_[device].there) return device;
    }
    return std::nullopt;
  }
  Space* any_space(bool domains_only, bool paging_only) {
    const std::size_t first = spaces_.empty() ? 0 : below(spaces_.size());
    for (std::size_t i = 0; i < spaces_.size(); ++i) {
      Space& space = spaces_[(first + i) % spaces_.size()];
      if (domains_only && space.kind != Space::Kind::domain) continue;
      if (paging_only && !space.paging) continue;
      return &space;
    }
    return nullptr;
  }
  Process* any_process() {
    Process& process = processes_[below(processes_.size())];
    return process.lives ? &process : nullptr;
  }
  u64 any_place() { return places[below(places.size())] + page_bytes * (one_in(2) ? 0 : below(2)); }
  /// A PASID: the allocators give the lowest of what they are asked for.
  u64 any_number() { return one_in(8) ? below(5) : first_number_ + below(5); }
  /// Of a process's pages; of a space's.
  const char* any_rights() {
    constexpr std::array<const char*, 4> rights{"rw", "r", "rw", "rx"};
    return rights[below(rights.size())];
  }
  const char* any_rights_of_space() {
    constexpr std::array<const char*, 4> rights{"rwp", "rp", "rwd", "rxp"};
    return one_in(4) ? rights[below(rights.size())] : any_rights();
  }

  // ---- domains, spaces ----

  void alloc_domain(bool paging) {
    const bool identity = !paging && one_in(2);
    spaces_.push_back({.name = fmt::format("d{}", names_++), .owner = 0, .paging = paging});
    const char* kind = paging ? "paging" : identity ? "identity" : "blocked";
    call("{} = domain_alloc({})", spaces_.back().name, kind);
  }

  void attach(const Space& space, std::size_t device) {
    call("attach({}, D{})", space.name, device);
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const bool moves = i == device || (devices_[i].grouped && devices_[device].grouped);
      if (moves) devices_[i].attached = space.name;
    }
  }

  /// What a device without a domain is not.
  void initialise(std::size_t device) {
    if (devices_[device].attached.empty()) return;
    if (devices_[device].grouped && !one_in(8)) return;
    call("sva_device_init(D{}, [{}private], {}, 0, mm_exit)", device,
         devices_[device].waits ? "iopf, " : "", first_number_);
    if (devices_[device].grouped) return;
    devices_[device].initialised = true;
  }

  void take_away(const Space& space) {
    const std::string name = space.name;
    std::erase_if(spaces_, [&](const Space& one) { return one.name == name; });
  }

  /// The call's name for this kind of space.
  static std::string on(const Space& space, std::string_view domains, std::string_view io_mms,
                        std::string_view tasks) {
    const std::string_view name = space.kind == Space::Kind::io_mm  ? io_mms
                                  : space.kind == Space::Kind::task ? tasks
                                                                    : domains;
    return fmt::format("{}({}", name, space.name);
  }

  void map() {
    Space* space = any_space(false, true);
    if (space == nullptr) return;
    u64 iova = any_place();
    const char* rights = any_rights_of_space();
    if (one_in(4)) {
      iova &= ~(block_bytes - 1);
      call("{}, {:#x}, {}, {:#x}, {})", on(*space, "map", "sva_map", "task_map"), iova,
           one_in(2) ? "H" : "G", block_bytes, rights);
      space->ranges.emplace_back(iova, block_bytes);
      return;
    }
    if (space->kind != Space::Kind::task && one_in(6)) {
      call("{}, {:#x}, [R+{:#x}, H], {})", on(*space, "map_sg", "sva_map_sg", ""), iova,
           page_bytes * (pages_of_run - 2), rights);
      space->ranges.emplace_back(iova, 2 * page_bytes + block_bytes);
      return;
    }
    const u64 pages = 1 + (one_in(2) ? 0 : below(4));
    const u64 from = below(pages_of_run - pages);
    if (exits_ == 0 && one_in(20)) {
      add("no-memory {}, {:#x}, R+{:#x}, {:#x}, {}) -> any",
          on(*space, "map", "sva_map", "task_map"), iova, page_bytes * from, page_bytes * pages,
          rights);
    } else {
      call("{}, {:#x}, R+{:#x}, {:#x}, {})", on(*space, "map", "sva_map", "task_map"), iova,
           page_bytes * from, page_bytes * pages, rights);
    }
    space->ranges.emplace_back(iova, page_bytes * pages);
  }

  void unmap() {
    Space* space = any_space(false, true);
    if (space == nullptr) return;
    u64 iova = any_place();
    u64 bytes = page_bytes * (1 + below(4));
    if (!space->ranges.empty() && !one_in(5)) {
      const std::size_t which = below(space->ranges.size());
      std::tie(iova, bytes) = space->ranges[which];
      space->ranges.erase(space->ranges.begin() + static_cast<std::ptrdiff_t>(which));
      if (one_in(4)) bytes = page_bytes;
    }
    const bool fast = space->kind != Space::Kind::task && one_in(3);
    call("{}, {:#x}, {:#x})",
         fast ? on(*space, "unmap_fast", "sva_unmap_fast", "")
              : on(*space, "unmap", "sva_unmap", "task_unmap"),
         iova, bytes);
    flush(*space);
  }
  /// What whoever walks a table by himself owes before he says that it is synchronised.
  void flush(const Space& space) {
    if (!space.table.empty()) add("gpu_flush({}) -> any", space.table);
  }

  void synchronise() {
    const Space* space = any_space(false, true);
    if (space == nullptr || space->kind == Space::Kind::task) return;
    call("{})", one_in(4) ? on(*space, "flush_iotlb_all", "sva_flush_tlb_all", "")
                          : on(*space, "iotlb_sync", "sva_iotlb_sync", ""));
  }

  void ask() {
    const Space* space = any_space(false, true);
    if (space == nullptr || space->kind == Space::Kind::task) return;
    call("{}, {:#x})", on(*space, "iova_to_phys", "sva_iova_to_phys", ""), any_place());
  }

  void make_or_free_domain() {
    const auto domains = std::ranges::count(spaces_, Space::Kind::domain, &Space::kind);
    if (static_cast<std::size_t>(domains) < domains_max && spaces_.size() < spaces_max &&
        !one_in(3)) {
      return alloc_domain(!one_in(4));
    }
    const Space* space = any_space(true, false);
    if (space == nullptr) return;
    const auto is_its = [&](const Device& device) { return device.attached == space->name; };
    if (space->is_master || std::ranges::any_of(devices_, is_its)) return;
    call("domain_free({})", space->name);
    take_away(*space);
  }

  void attach_or_detach() {
    const Space* space = any_space(true, false);
    const auto device = any_device();
    if (space == nullptr || !device) return;
    std::string& attached = devices_[*device].attached;
    if (attached.empty() || one_in(4)) return attach(*space, *device);
    call("detach({}, D{})", attached, *device);
    attached.clear();
  }

  void switch_to(const Space& space) {
    const auto device = any_device();
    if (!device) return;
    devices_[*device].bank = space.table;
    add("gpu_switch(D{}, {}) -> any", *device, space.table);
  }

  /// Domains whose tables a GPU walks: made, given to a device, freed when no device has them.
  void walkers() {
    const auto it = std::ranges::find(spaces_, Space::Kind::dynamic, &Space::kind);
    if (it == spaces_.end() || (spaces_.size() < spaces_max && one_in(4))) {
      Space* master = any_space(true, true);
      if (master == nullptr || spaces_.size() >= spaces_max) return;
      master->is_master = true;
      Space its{.kind = Space::Kind::dynamic, .name = fmt::format("d{}", names_++)};
      its.table = fmt::format("t{}", names_++);
      call("{} = domain_alloc(dynamic, {})", its.name, master->name);
      call("{} = domain_get_attr({}, ttbr0)", its.table, its.name);
      spaces_.push_back(std::move(its));
      return switch_to(spaces_.back());
    }
    if (!one_in(4)) return switch_to(*it);
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      if (devices_[i].bank != it->table) continue;
      add("gpu_switch(D{}, master) -> any", i);
      devices_[i].bank.clear();
    }
    flush(*it);
    call("domain_free({})", it->name);
    spaces_.erase(it);
  }

  // ---- numbers, processes, private spaces ----

  void sva_device() {
    const auto device = any_device();
    if (!device) return;
    if (!devices_[*device].initialised) return initialise(*device);
    call("sva_device_shutdown(D{})", *device);
    devices_[*device].initialised = false;
  }

  void bind() {
    const auto device = any_device();
    const Process* process = any_process();
    if (!device || process == nullptr) return;
    call("bind_device(D{}, {}, [], {:#x})", *device, process->name, 1 + names_++);
  }

  void unbind() {
    const auto device = any_device();
    if (!device) return;
    if (one_in(6)) return call("unbind_dev_all(D{})", *device);
    call("unbind_device(D{}, {})", *device, any_number());
  }

  void private_space() {
    const auto device = any_device();
    if (!device) return;
    const Device& its = devices_[*device];
    if (spaces_.size() < spaces_max && its.initialised && !one_in(3)) {
      if (one_in(3)) {
        const Process* process = any_process();
        if (process == nullptr) return;
        std::string name = fmt::format("k{}", names_++);
        call("{} = bind_task(D{}, {}, [explicit], 0)", name, *device, process->name);
        spaces_.push_back({.kind = Space::Kind::task, .name = name, .owner = *device});
        return;
      }
      const auto domain = std::ranges::find(spaces_, its.attached, &Space::name);
      if (domain == spaces_.end() || !domain->paging) return;
      std::string name = fmt::format("m{}", names_++);
      call("{} = sva_alloc_pasid({}, D{})", name, domain->name, *device);
      spaces_.push_back({.kind = Space::Kind::io_mm, .name = name, .owner = number_of(*domain)});
      return;
    }
    const auto mine = std::ranges::find_if(spaces_, [](const Space& space) {
      return space.kind == Space::Kind::io_mm || space.kind == Space::Kind::task;
    });
    if (mine == spaces_.end()) return;
    if (mine->kind == Space::Kind::io_mm && per_device_ && !one_in(3)) {
      return call("{}({}, D{})", one_in(2) ? "sva_attach" : "sva_detach", mine->name, *device);
    }
    if (mine->kind == Space::Kind::io_mm) {
      call("sva_free_pasid(d{}, {})", mine->owner, mine->name);
    } else {
      call("unbind_task(D{}, {})", mine->owner, mine->name);
    }
    take_away(*mine);
  }
  static u64 number_of(const Space& domain) { return std::stoull(domain.name.substr(1)); }

  void numbers() {
    const Space* space = any_space(true, true);
    const auto device = any_device();
    if (space == nullptr || !device) return;
    switch (below(4)) {
      case 0: return call("pasid_alloc({}, 0)", first_number_);
      case 1: return call("pasid_free({})", any_number());
      case 2: return call("attach_pasid({}, D{}, {})", space->name, *device, any_number());
      default: return call("detach_pasid({}, D{}, {})", space->name, *device, any_number());
    }
  }

  void change_process() {
    Process* process = any_process();
    if (process == nullptr) return;
    if (process->pages.size() < 2 || one_in(2)) {
      const u64 at = any_place();
      if (!process->pages.insert(at).second) return;
      return add("mmap {} {:#x} R+{:#x} {}", process->name, at,
                 page_bytes * below(pages_of_processes), any_rights());
    }
    const u64 at = *std::next(process->pages.begin(),
                              static_cast<std::ptrdiff_t>(below(process->pages.size())));
    if (one_in(3)) return add("mprotect {} {:#x} r", process->name, at);
    add("munmap {} {:#x}", process->name, at);
    process->pages.erase(at);
  }

  void leave() {
    Process* process = any_process();
    if (process == nullptr) return;
    if (one_in(4)) return call("fork({})", process->name);
    process->lives = false;
    ++exits_;
    call("exit({})", process->name);
  }

  void handler() {
    if (exits_ == 0) return;
    const auto device = any_device();
    if (!device || one_in(4)) return add("bound_passes");
    call("mm_exit_return(D{}, {})", *device, any_number());
  }

  // ---- faults, troubles ----

  /// An access where no process has anything; it waits if its device is bound at the number.
  void fault() {
    if (!group_begun_ || one_in(4)) ++groups_;
    group_begun_ = options_.groups && one_in(3);
    add("dma D{}.{} {:#x} w g={} last={} -> F.dev | F.pasid | F.unmapped | F.perm | F.wait | "
        "F.quiet",
        queue_of_, low_number(), 0x700000 + page_bytes * below(4), groups_, group_begun_ ? 0 : 1);
  }
  const char* any_answer() {
    constexpr std::array<const char*, 4> answers{"success", "success", "invalid", "failure"};
    return answers[below(answers.size())];
  }
  u64 low_number() { return one_in(4) ? any_number() : number_of_faults_; }

  /// The faults of a device go to its queue, or to handlers of its numbers.
  void faults() {
    if (queue_.empty()) return take_faults();
    const bool handled = queue_ == handlers;
    switch (below(5)) {
      case 0:
      case 1: return fault();
      case 2: return handled ? set_handler() : call("fault_read({})", queue_);
      case 3:
        return call("fault_respond({}, D{}, {}, {}, {})", queue_, queue_of_, low_number(),
                    one_in(2) ? groups_ : 1 + below(2), any_answer());
      default:
        if (one_in(3)) return call("unbind_device(D{}, {})", queue_of_, number_of_faults_);
        if (one_in(2)) return fault();
        if (handled) {
          call("fault_handler_set(D{}, {}, none, 0)", queue_of_, low_number());
        } else {
          call("fault_close({})", queue_);
        }
        queue_.clear();
    }
  }
  void take_faults() {
    const auto device = any_device();
    const Process* process = any_process();
    if (!device || !devices_[*device].waits || !devices_[*device].initialised) return;
    if (process != nullptr) {
      call("bind_device(D{}, {}, [], {:#x})", *device, process->name, 1 + names_++);
    }
    queue_of_ = *device;
    number_of_faults_ = first_number_ + below(2);
    if (one_in(2)) {
      queue_ = handlers;
      set_handler();
    } else {
      queue_ = fmt::format("q{}", names_++);
      call("{} = fault_queue_open(D{}, 2)", queue_, queue_of_);
    }
    fault();
  }
  void set_handler() {
    call("fault_handler_set(D{}, {}, handler, {:#x})", queue_of_, low_number(), 1 + names_++);
  }

  /// A hook that fails, and a call that meets it.
  void hook() {
    const auto device = any_device();
    const Process* process = any_process();
    const Space* domain = any_space(true, true);
    // A call that waits would meet it later, or not at all.
    if (exits_ != 0 || !device || process == nullptr || domain == nullptr) return;
    const char* name = one_in(2) ? "mm_attach" : "mm_alloc";
    add("hook {} {}", name, one_in(2) ? "EIO" : "ENXIO");
    if (one_in(2)) {
      call("sva_alloc_pasid({}, D{})", domain->name, *device);
    } else {
      call("bind_device(D{}, {}, [], {:#x})", *device, process->name, 1 + names_++);
    }
    add("hook {} ok", name);
  }

  void stuck() {
    add("stuck");
    one_in(2) ? unmap() : one_in(2) ? unbind() : map();
    add("unstuck");
    if (!one_in(4)) add("recover -> any");
  }

  void remove() {
    const auto device = any_device();
    if (!device || one_in(2)) return;
    call("remove(D{})", *device);
    devices_[*device].there = false;
    if (queue_of_ == *device) queue_.clear();
  }

  void reuse() {
    const u64 page = pages_of_processes + below(pages_of_run - pages_of_processes);
    add("page_reuse(R+{:#x}) -> any", page_bytes * page);
  }

  void step() {
    if (!queue_.empty() && one_in(4)) return faults();
    const u64 word = below(100);
    if (word < 22) return map();
    if (word < 40) return unmap();
    if (word < 43) return synchronise();
    if (word < 46) return walkers();
    if (word < 47) return hook();
    if (word < 48) return ask();
    if (word < 54) return make_or_free_domain();
    if (word < 61) return attach_or_detach();
    if (word < 63) return sva_device();
    if (word < 70) return bind();
    if (word < 75) return unbind();
    if (word < 80) return private_space();
    if (word < 83) return numbers();
    if (word < 90) return change_process();
    if (word < 91) return leave();
    if (word < 93) return handler();
    if (word < 97) return faults();
    if (word < 98) return stuck();
    if (word < 99) return reuse();
    remove();
  }

  SplitMix64 words_;
  DrawOptions options_;
  std::vector<std::string> lines_;
  std::vector<Device> devices_;
  std::vector<Process> processes_;
  std::vector<Space> spaces_;
  bool per_device_ = false;
  u64 first_number_ = 0;  ///< of PASIDs
  std::string queue_;     ///< to which faults go, `handlers`, or none
  std::size_t queue_of_ = 0;
  u64 number_of_faults_ = 0;  ///< where most of them are
  u64 names_ = 0;
  u64 groups_ = 0;
  bool group_begun_ = false;  ///< that of the last access goes on
  u32 exits_ = 0;
  u32 threads_ = 0;
};

}  // namespace

std::vector<std::string> draw_lines(u64 seed, u64 number, const DrawOptions& options) {
  return Drawer(seed, number, options).draw();
}

std::string text_of_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (!text.empty()) text += "  ";
    text += line + "\n";
  }
  return text;
}

}  // namespace iommucheck::oracle::stories
