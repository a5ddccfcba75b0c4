// SPDX-License-Identifier: MIT
#include "conform/confirm.h"

#include <algorithm>
#include <utility>

#include "conform/afresh.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

/// So often it has to show in so many runs at most.
constexpr u32 confirm_shown = 2, confirm_runs = 5;

/// How long a device may take to die while one finding is made short.
constexpr double dying_shrink_seconds = 20;

}  // namespace

Expected<std::optional<Confirmed>> Confirmer::confirm(const Case& what, FoundDivergence& fresh) {
  const Divergence found = fresh.divergence;
  const Case whole = found.afresh_of ? afresh(what, *found.afresh_of) : what;
  if (auto ok = device_.renew(); !ok) return std::unexpected(ok.error());
  auto shortest = shrink(whole, found);
  if (!shortest) return std::unexpected(shortest.error());
  auto shown = shows_again(*shortest, fresh);
  if (!shown) return std::unexpected(shown.error());
  if (*shown) return Confirmed{std::move(*shortest), std::move(**shown)};
  shown = shows_again(whole, fresh);
  if (!shown) return std::unexpected(shown.error());
  if (*shown) return Confirmed{whole, std::move(**shown)};
  return std::optional<Confirmed>{};
}

Expected<std::optional<Run>> Confirmer::shows_again(const Case& what, FoundDivergence& fresh) {
  const Divergence wanted = fresh.divergence;
  std::optional<Run> kept;
  fresh.shown = fresh.runs = 0;
  if (auto ok = device_.renew(); !ok) return std::unexpected(ok.error());
  while (fresh.shown < confirm_shown && fresh.runs - fresh.shown <= confirm_runs - confirm_shown) {
    Run run;
    auto again = device_.look(what, &run);
    if (!again) return std::unexpected(again.error());
    ++fresh.runs;
    const auto its =
        std::ranges::find_if(*again, [&](const Divergence& one) { return one.same(wanted); });
    if (its == again->end()) continue;
    ++fresh.shown;
    fresh.divergence = *its;
    kept = std::move(run);
  }
  if (fresh.shown == confirm_shown) return kept;
  fresh.divergence = wanted;
  return std::optional<Run>{};
}

Expected<Case> Confirmer::shrink(Case shortest, const Divergence& wanted) {
  constexpr unsigned runs_max = 400;
  unsigned runs = 0;
  const double dying_until = device_.dying_seconds() + dying_shrink_seconds;
  Run whole;
  auto before = device_.look(shortest, &whole);
  if (!before) return std::unexpected(before.error());
  const std::vector<spec::Rule> drivers = device_.drivers();
  if (!whole.death.empty() && wanted.rule == spec::rule::DEVICE_SURVIVES) {
    // No step came after it.
    const std::size_t last = std::max(whole.step_of.back() + 1, shortest.fixed);
    if (last < shortest.steps.size()) shortest.steps.resize(last);
  }
  for (std::size_t size = (shortest.steps.size() - shortest.fixed) / 2; size != 0;) {
    bool any = false;
    for (std::size_t at = shortest.steps.size(); at > shortest.fixed && runs < runs_max;) {
      if (device_.dying_seconds() > dying_until) return shortest;
      const std::size_t n = std::min(size, at - shortest.fixed);
      at -= n;
      Case shorter = shortest;
      const auto first = shorter.steps.begin() + static_cast<std::ptrdiff_t>(at);
      shorter.steps.erase(first, first + static_cast<std::ptrdiff_t>(n));
      ++runs;
      auto shows = still_shows(shorter, wanted, drivers);
      if (!shows) return std::unexpected(shows.error());
      if (!*shows) continue;
      shortest = std::move(shorter);
      any = true;
      at = std::min(at, shortest.steps.size());
    }
    if (runs >= runs_max) break;
    if (!any || size > 1) size = size == 1 ? 0 : size / 2;
  }
  return shortest;
}

Expected<bool> Confirmer::still_shows(const Case& shorter, const Divergence& wanted,
                                      const std::vector<spec::Rule>& drivers) {
  const auto new_one = [&](spec::Rule rule) {
    return std::ranges::find(drivers, rule) == drivers.end();
  };
  auto plain = device_.look(shorter, nullptr, {.plain = true});
  if (!plain) return std::unexpected(plain.error());
  const auto same_finding = [&](const Divergence& one) { return one.same_finding(wanted); };
  if (std::ranges::none_of(*plain, same_finding)) return false;
  if (std::ranges::any_of(device_.drivers(), new_one)) return false;
  if (!wanted.access) return true;
  auto found = device_.look(shorter, nullptr, {.like = &wanted});
  if (!found) return std::unexpected(found.error());
  return std::ranges::any_of(*found, [&](const Divergence& one) { return one.same(wanted); });
}

}  // namespace iommucheck::oracle
