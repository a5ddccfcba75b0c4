// SPDX-License-Identifier: MIT
#include "monitor/found.h"

#include <fmt/format.h>

namespace iommucheck::oracle {

Found::Found(const Setup& setup) : RunningCalls(setup) {
  const auto feature = spec::unsupported_feature(caches_.capabilities());
  if (feature) unsupported_machine_ = *feature;
}

void Found::findings_are_told() {
  shown_.told = shown_.told || !shown_.findings.empty();
  shown_.findings.clear();
  case_.calls.blamed_on_caller.clear();
  late_missing_.clear();
}

void Found::excuse_found() {
  if (excuses_ == nullptr) return;
  std::erase_if(shown_.findings, [&](Finding& finding) { return excuses_->excuses(finding); });
}

std::vector<Finding> Found::take_findings(std::size_t behind) {
  const auto first = shown_.findings.begin() + static_cast<std::ptrdiff_t>(behind);
  std::vector<Finding> taken(std::make_move_iterator(first),
                             std::make_move_iterator(shown_.findings.end()));
  shown_.findings.resize(behind);
  return taken;
}

void Found::find(spec::Rule rule, std::string statement, std::vector<spec::Cause> causes) {
  Finding finding = finding_of(rule, std::move(statement));
  finding.causes = std::move(causes);
  find(std::move(finding));
}

void Found::find(Finding finding) {
  finding.at = case_.now;
  if (in_call()) finding.during = current().began;
  keep(std::move(finding));
}

void Found::keep(Finding finding) {
  if (is_callers_doing(finding.rule)) return;
  if (setup_.not_claimed.leaves_out(finding.rule)) return;
  if (!unsupported_machine_.empty()) return;  // judged by rules of another machine
  if (excuses_ != nullptr && excuses_->excuses(finding)) return;
  finding.of_a_backend = hardware_ != nullptr;
  if (hardware_ && finding.party == spec::Keeper::driver) finding.party = spec::Keeper::backend;
  constexpr std::size_t enough = 100000;
  if (shown_.findings.size() < enough) shown_.findings.push_back(std::move(finding));
}

void Found::blame_caller(spec::Rule rule, std::string statement) {
  Finding finding = finding_of(rule, std::move(statement));
  finding.party = spec::Keeper::caller;
  finding.of_a_backend = hardware_ != nullptr;
  finding.at = case_.now;
  case_.calls.blamed_on_caller.push_back(std::move(finding));
}

void Found::undetermined(const std::string& missing) {
  for (Undetermined& known : undetermined_) {
    if (known.missing != missing) continue;
    ++known.count;
    return;
  }
  undetermined_.push_back({missing, 1});
}

void Found::gather_device() {
  if (!device_rules_) return;
  for (Finding& found : device_rules_->take()) find(std::move(found));
  for (const std::string& missing : device_rules_->take_missing()) undetermined(missing);
}

void Found::gather_late() {
  for (RecordingRules::Late& late : recording_->take()) {
    if (late.undetermined) {
      late_missing_.push_back({late.at, std::move(late.text)});
    } else {
      Finding finding = finding_of(late.rule, std::move(late.text));
      finding.at = late.at;
      keep(std::move(finding));
    }
  }
}

// ---- what there is no telling of ----------------------------------------------------------------

void Found::meets_unmodelled(spec::NotModelled what) {
  if (shown_.unmodelled.empty()) shown_.unmodelled = spec::text_of(what);
}

void Found::give_up(std::string why) {
  if (shown_.bound.empty()) shown_.bound = std::move(why);
}

void Found::give_up_on(const Place& place) {
  const std::string bound = caches_.bound();
  give_up(fmt::format("{}: {}", where_text(where(place)),
                      bound.empty() ? "more configurations than are looked at" : bound));
}

void Found::give_up_on_access(const spec::Access& access) {
  give_up_on({.device = interface_.device_of(access.sid),
              .sid = access.sid,
              .at = access.ssv ? spec::sva::substream(access.ssid) : spec::sva::Substream{}});
}

void Found::give_up_on_promises(const Place& place, const spec::sva::Alternatives& allowed) {
  if (interface_.loses_calls()) {
    return give_up(fmt::format("more than {} calls run at once", spec::sva::Tickets::max));
  }
  if (allowed.count < spec::sva::Alternatives::max) {
    return give_up(
        fmt::format("what {} reaches was mapped otherwise more than {} times, not invalidated",
                    where_text(where(place)), 1 + spec::sva::records::older_layers));
  }
  give_up(fmt::format("{} is promised more than {} things at once", where_text(where(place)),
                      spec::sva::Alternatives::max));
}

}  // namespace iommucheck::oracle
