// SPDX-License-Identifier: MIT
// The hardware's half of the door.
#include <fmt/format.h>

#include <array>
#include <map>
#include <type_traits>

#include "backends/door_users.h"
#include "process/text_at.h"

namespace iommucheck::oracle {
namespace {

constexpr u64 table_bytes_min = 8;

template <class Answer>
constexpr u32 greatest_kind =
    std::is_same_v<Answer, iommucheck_may_reach> ? IOMMUCHECK_GETS_INSIDE
                                                 : IOMMUCHECK_GETS_ANYTHING;

u32 number_of_access(char access) {
  if (access == 'w') return IOMMUCHECK_ACCESS_WRITE;
  return access == 'x' ? IOMMUCHECK_ACCESS_EXECUTE : IOMMUCHECK_ACCESS_READ;
}

class DoorMachine final : public BackendMachine {
 public:
  DoorMachine(std::shared_ptr<const BackendDoor> door, const spec::sva::Setup& setup)
      : door_(std::move(door)),
        setup_(setup),
        user_format_(door_->users, nonsense_),
        user_words_(door_->users) {}

  [[nodiscard]] std::string_view name() const override { return door_->name; }
  void adapt(spec::sva::Setup& setup) const override {
    setup.keeps_pasid_0 = has(IOMMUCHECK_BACKEND_KEEPS_PASID_0);
    setup.dirty = has_marks() ? setup_.dirty : spec::sva::DirtyHardware::none;
    setup.knows_privilege = knows_privilege();
    setup.fills_routes = has(IOMMUCHECK_BACKEND_FILLS_ROUTES);
    if (door_->tags_max != 0) setup.address_spaces = door_->tags_max;
    setup.routes_identity = false;
    setup.limits_are_the_drivers = true;
    Nonsense answers;
    for (u32 i = 0; i < setup.devices.size(); ++i) {
      setup.devices[i].passes = can_pass(*door_, nullptr, i, false, answers);
      setup.devices[i].passes_at_pasid = can_pass(*door_, nullptr, i, true, answers);
      setup.routes_identity |= setup.devices[i].passes_at_pasid;
    }
    setup.stalls = setup.page_requests = waits();
  }
  [[nodiscard]] const spec::sva::UserFormat* user_format() const override {
    return has_users() ? &user_format_ : nullptr;
  }
  [[nodiscard]] const UserWords* user_words() const override {
    return has_users() ? &user_words_ : nullptr;
  }
  [[nodiscard]] bool remembers_unmapped() const override {
    return has(IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED);
  }
  [[nodiscard]] bool devices_wait_alone() const override {
    return has(IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE);
  }

  bool power_on(u64 process_pa, u64 process_bytes) override {
    for (const spec::sva::DeviceSetup& device : setup_.devices) {
      for (const u32 id : device.stream_ids) {
        const u32 flags = (device.ats ? IOMMUCHECK_STREAM_CACHES : 0) |
                          (device.stall || device.pri ? IOMMUCHECK_STREAM_WAITS : 0);
        streams_.push_back({id, flags, device.ssid_bits, 0});
      }
    }
    host_ = {sizeof host_,
             IOMMUCHECK_BACKEND_ABI,
             static_cast<u32>(streams_.size()),
             static_cast<u32>(setup_.ssid_bits),
             streams_.data(),
             process_pa,
             process_bytes};
    process_pa_ = process_pa;
    process_bytes_ = process_bytes;
    hardware_ = ops().open(&host_);
    if (hardware_ == nullptr) tell("the hardware's open gave NULL");
    return hardware_ != nullptr;
  }
  impl::Backend* start(const iommucheck_platform& platform,
                       const iommucheck_config& config) override {
    const bool marks = has_marks() && setup_.dirty != spec::sva::DirtyHardware::none;
    backend_ = std::make_unique<DoorBackend>(door_, platform, config, nonsense_, marks);
    std::string why = backend_->open();
    if (why.empty()) return backend_.get();
    nonsense_.push_back(std::move(why));
    return nullptr;
  }

  bool stored(u64 pa, u64 value) override {
    return yes("stored", ops().stored(hardware_, pa, value));
  }
  bool given_back(u64 pa, u64 bytes) override {
    return yes("given_back", ops().given_back(hardware_, pa, bytes));
  }
  void write(u64 offset, u64 value) override { ops().write(hardware_, offset, value); }
  u64 read(u64 offset) override { return ops().read(hardware_, offset); }
  void set_stuck(bool stuck) override { ops().set_stuck(hardware_, stuck ? 1 : 0); }

  void remove(u32 device) override {
    for (const u32 id : setup_.devices[device].stream_ids) ops().remove(hardware_, id);
  }
  u64 process_created(u64 mm) override {
    const u64 root = ops().process_created(hardware_, mm);
    if (root != 0 && (root - process_pa_ >= process_bytes_ || root % table_bytes_min != 0)) {
      nonsense_.push_back(
          fmt::format("process_created gave the root {:#x}, which is not in the "
                      "memory of processes",
                      root));
      return 0;
    }
    return root;
  }
  bool process_says(u64 mm, u64 va, u64 pa, u32 prot) override {
    return yes("process_says", ops().process_says(hardware_, mm, va, pa, prot));
  }
  bool process_settles(u64 mm) override {
    return yes("process_settles", ops().process_settles(hardware_, mm));
  }
  bool process_gone(u64 mm) override {
    return yes("process_gone", ops().process_gone(hardware_, mm));
  }
  void walker_switches(u32 walker, u64 root, u32 input_bits) override {
    ops().walker_switches(hardware_, walker, root, input_bits);
  }
  void walker_flushes(u32 walker) override { ops().walker_flushes(hardware_, walker); }

  [[nodiscard]] bool knows_privilege() const override {
    return !has(IOMMUCHECK_BACKEND_NO_PRIVILEGE);
  }
  [[nodiscard]] bool knows_execution() const override {
    return !has(IOMMUCHECK_BACKEND_NO_EXECUTION);
  }
  [[nodiscard]] u64 marked(u64 word) const override {
    return has_marks() ? ops().marked(hardware_, word) : word;
  }
  [[nodiscard]] bool outer_ends_are_users() const override { return false; }
  /// Of a backend that has answered what cannot be that alone is found, not what follows from it.
  std::set<MayGet> answers(const MachineAccess& access) override {
    if (!nonsense_.empty()) return {};
    const iommucheck_access given = access_of(access);
    if (has_users() || has_marks()) {
      return asked<iommucheck_may_reach>("whole_answers", [&](iommucheck_may_reach* all) {
        return ops().whole_answers(hardware_, &given, all);
      });
    }
    return asked<iommucheck_may_get>(
        "answers", [&](iommucheck_may_get* all) { return ops().answers(hardware_, &given, all); });
  }
  std::set<MayGet> walker_answers(u32 walker, u64 iova, char access) override {
    return asked<iommucheck_may_get>("walker_answers", [&](iommucheck_may_get* all) {
      return ops().walker_answers(hardware_, walker, iova, number_of_access(access), all);
    });
  }

  [[nodiscard]] bool reports_to_users() const override {
    return has(IOMMUCHECK_BACKEND_TELLS_USERS);
  }
  [[nodiscard]] std::optional<spec::sva::EventWords> record_of(const MachineAccess& access,
                                                               const MayGet& got) const override {
    if (!reports_to_users()) return std::nullopt;
    const iommucheck_access given = access_of(access);
    const iommucheck_may_reach gets{.kind = static_cast<u32>(got.kind),
                                    .has_ipa = got.ipa ? 1U : 0U,
                                    .pa = got.pa,
                                    .why = nullptr,
                                    .ipa = got.ipa.value_or(0),
                                    .mark = got.mark};
    spec::sva::EventWords words{};
    const int answer = ops().record_of(hardware_, &given, &gets, words.data());
    if (answer != 0 && answer != 1) {
      tell(fmt::format("the hardware's record_of answered {}: it answers 0 or 1", answer));
    }
    if (answer != 1) return std::nullopt;
    if (words[0] >> 32 != given.stream_id) {
      tell(fmt::format("record_of names stream {:#x} of an access of {:#x}", words[0] >> 32,
                       given.stream_id));
      return std::nullopt;
    }
    return words;
  }
  void report(const spec::sva::EventWords& record) override {
    ops().report(hardware_, record.data());
  }
  [[nodiscard]] bool has_room_for_report() const override {
    return yes("has_room", ops().has_room(hardware_));
  }

  u64 wait(const MachineAccess& access) override {
    if (!waits()) return 0;
    const iommucheck_access given = access_of(access);
    const u32 id = ops().wait(hardware_, &given);
    if (id == 0) return 0;
    if (waiting_.contains(id)) tell(fmt::format("wait gave the id {}, which has been given", id));
    begin_to_wait(id, given);
    return id;
  }
  [[nodiscard]] bool has_groups() const override { return has(IOMMUCHECK_BACKEND_GROUPS); }
  [[nodiscard]] u64 group_of(u64 id) const override {
    const auto its = waiting_.find(id);
    return its == waiting_.end() ? id : its->second.group;
  }
  std::vector<u64> take_strays() override { return std::exchange(strays_, {}); }
  std::vector<Response> take_responses() override {
    std::vector<Response> all;
    for (std::size_t taken = 0; waits(); ++taken) {
      u32 id = 0;
      u32 response = 0;
      if (!yes("take_response", ops().take_response(hardware_, &id, &response))) break;
      if (taken == responses_max) {
        tell("take_response comes to no end");
        break;
      }
      const auto its = waiting_.find(id);
      if (its == waiting_.end() || response > IOMMUCHECK_FAULT_FAILURE) {
        tell(fmt::format("take_response gave {} to the id {}, which cannot be", response, id));
      } else if (std::exchange(its->second.answered, true)) {
        strays_.push_back(its->second.group);
      } else {
        all.push_back({id, its->second.group, response_of(response)});
      }
    }
    return all;
  }
  [[nodiscard]] bool is_waiting(u64 id) const override {
    return waits() && ops().is_waiting(hardware_, static_cast<u32>(id)) != 0;
  }
  std::vector<std::string> take_nonsense() override { return std::exchange(nonsense_, {}); }

 private:
  struct Waiting {
    u64 group = 0;  ///< the id of its first access
    u32 stream = 0;
    u32 pasid = 0;
    u32 number = 0;  ///< the device's
    bool last = false;
    bool answered = false;
  };
  /// Of a group that is not whole and was not answered it is one more.
  void begin_to_wait(u32 id, const iommucheck_access& access) {
    Waiting one{.group = id,
                .stream = access.stream_id,
                .pasid = access.pasid,
                .number = access.group,
                .last = !has_groups() || access.last != 0};
    for (const auto& [other, its] : waiting_) {
      const bool same = its.stream == one.stream && its.pasid == one.pasid;
      if (!has_groups() || !same || its.number != one.number || its.answered) continue;
      one.group = its.last ? u64{id} : its.group;
    }
    waiting_.emplace(id, one);
  }
  u32 response_of(u32 response) const {
    if (response == IOMMUCHECK_FAULT_SUCCESS) return spec::sva::response_success;
    return response == IOMMUCHECK_FAULT_FAILURE ? spec::sva::response_failure
                                                : spec::sva::response_invalid;
  }
  [[nodiscard]] iommucheck_access access_of(const MachineAccess& access) const {
    return {.size = sizeof(iommucheck_access),
            .abi = IOMMUCHECK_BACKEND_ABI,
            .stream_id = stream(access),
            .pasid = pasid(access),
            .iova = access.iova,
            .access = number_of_access(access.access),
            .privileged = access.privileged ? 1U : 0U,
            .group = static_cast<u32>(access.group),
            .last = access.last ? 1U : 0U};
  }

  static constexpr std::size_t responses_max = 65536;
  static constexpr std::size_t nonsense_max = 16;
  static constexpr std::size_t why_max = 160;

  [[nodiscard]] const iommucheck_hardware_ops& ops() const { return door_->hardware; }
  [[nodiscard]] bool has(u32 flag) const { return (door_->flags & flag) != 0; }
  [[nodiscard]] bool has_marks() const { return has(IOMMUCHECK_BACKEND_TRACKS_WRITES); }
  [[nodiscard]] bool has_users() const { return has(IOMMUCHECK_BACKEND_USERS); }
  [[nodiscard]] bool waits() const { return has(IOMMUCHECK_BACKEND_WAITS); }
  [[nodiscard]] u32 stream(const MachineAccess& access) const {
    return setup_.devices[access.device].stream_ids[access.stream];
  }
  static u32 pasid(const MachineAccess& access) {
    return access.at.present ? access.at.number : IOMMUCHECK_BACKEND_NO_PASID;
  }
  void tell(std::string text) const {
    if (nonsense_.size() < nonsense_max) nonsense_.push_back(std::move(text));
  }
  bool yes(const char* function, int answer) const {
    if (answer != 0 && answer != 1) {
      tell(fmt::format("the hardware's {} answered {}: it answers 0 or 1", function, answer));
    }
    return answer == 1;
  }

  /// Nothing where the answers cannot be: that is told, and nothing is compared.
  template <class Answer, class Ask>
  std::set<MayGet> asked(const char* function, Ask ask) {
    // A place more than there may be, which nobody writes.
    constexpr u32 untouched = 0xdeadbeef;
    std::array<Answer, IOMMUCHECK_ANSWERS_MAX + 1> all{};
    all.back().kind = untouched;
    const u32 count = ask(all.data());
    if (count == 0 || count > IOMMUCHECK_ANSWERS_MAX || all.back().kind != untouched) {
      tell(fmt::format("the hardware's {} gave {} answers: it gives 1 to {}", function, count,
                       IOMMUCHECK_ANSWERS_MAX));
      return {};
    }
    std::set<MayGet> set;
    for (u32 i = 0; i < count; ++i) {
      if (all[i].kind > greatest_kind<Answer>) {
        tell(fmt::format("the hardware's {} gave an answer of kind {}: there is none", function,
                         all[i].kind));
        return {};
      }
      const auto kind = static_cast<MayGet::Kind>(all[i].kind);
      MayGet one{.kind = kind, .pa = kind == MayGet::Kind::address ? all[i].pa : 0};
      if constexpr (std::is_same_v<Answer, iommucheck_may_reach>) {
        if (all[i].has_ipa != 0 && kind == MayGet::Kind::address) one.ipa = all[i].ipa;
        if (kind == MayGet::Kind::address) one.mark = all[i].mark;
        if (one.mark % sizeof(u64) != 0) {
          tell(fmt::format("the hardware's {} marks {:#x}, where no word is", function, one.mark));
          return {};
        }
      }
      if (all[i].why != nullptr) {
        auto text = text_at(all[i].why, why_max);
        if (!text) {
          tell(fmt::format("the hardware's {} gave a why at {:#x}, where no text is", function,
                           reinterpret_cast<u64>(all[i].why)));
          return {};
        }
        one.why.text = std::move(*text);
      }
      set.insert(std::move(one));
    }
    return set;
  }
  static_assert(static_cast<u32>(MayGet::Kind::quiet) == IOMMUCHECK_GETS_QUIET &&
                    static_cast<u32>(MayGet::Kind::anything) == IOMMUCHECK_GETS_ANYTHING &&
                    static_cast<u32>(MayGet::Kind::outer_not_mapped) ==
                        IOMMUCHECK_GETS_OUTER_NOT_MAPPED &&
                    static_cast<u32>(MayGet::Kind::inside) == IOMMUCHECK_GETS_INSIDE,
                "the same kinds in the same order");

  std::shared_ptr<const BackendDoor> door_;
  spec::sva::Setup setup_;
  mutable Nonsense nonsense_;
  DoorUserFormat user_format_;
  DoorUserWords user_words_;
  std::vector<iommucheck_stream> streams_;
  iommucheck_hardware_host host_{};
  std::map<u64, Waiting> waiting_;
  std::vector<u64> strays_;
  u64 process_pa_ = 0;
  u64 process_bytes_ = 0;
  void* hardware_ = nullptr;
  std::unique_ptr<DoorBackend> backend_;
};

}  // namespace

std::unique_ptr<BackendMachine> make_door_machine(std::shared_ptr<const BackendDoor> door,
                                                  const spec::sva::Setup& setup) {
  return std::make_unique<DoorMachine>(std::move(door), setup);
}

}  // namespace iommucheck::oracle
