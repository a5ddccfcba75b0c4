// SPDX-License-Identifier: MIT
// What one fetch of an STE or a CD may have read, and what streams may translate by then: of memory
// and of cached words every mixture, and what each of them decides. SEMANTICS 2: "Mixtures".
// Nothing here changes the state. What follows where configuration changes, says Configuration.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/inline_vector.h"
#include "spec/smmu/atcs.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/config_cache.h"
#include "spec/smmu/controls.h"
#include "spec/smmu/findings.h"
#include "spec/smmu/from_reset.h"
#include "spec/smmu/profile.h"
#include "spec/smmu/ste_spans.h"
#include "spec/smmu/stream_option.h"
#include "spec/smmu/tlb_items.h"

namespace iommucheck::spec {

class Fetches {
 public:
  struct SteOption {
    Ste<u64> ste;
    SteDecision decision;  ///< of a known one
    u64 place = 0;
    Group dies = immortal;
    bool unknown = false;
    bool bad_streamid = false;
    bool conflict = false;  ///< STEs of one span differ, and both may be met
    bool any = false;       ///< no matter which STE: IHI 0070 5.2, 3.20.2
    unsigned units = 0;     ///< atomic ones with several versions
    unsigned words = 0;     ///< likewise

    /// There is an STE, and what it says is known.
    [[nodiscard]] bool is_read() const { return !unknown && !bad_streamid && !conflict && !any; }
  };
  struct CdOption {
    Cd<u64> cd;
    u64 place = 0;
    Group dies = immortal;
    bool unknown = false;
    bool bad_substreamid = false;
    unsigned units = 0;
    unsigned words = 0;
  };
  /// Nearly always one or two.
  template <class Option>
  using OptionList = InlineVector<Option, 2>;
  using SteOptions = OptionList<SteOption>;
  using CdOptions = OptionList<CdOption>;
  /// Of one stream: its STEs, and the CDs of the substreams that were looked at.
  struct Options {
    struct Cds {
      u32 number = 0;
      CdOptions options;
    };
    SteOptions stes;
    std::vector<Cds> cds;

    [[nodiscard]] const CdOptions& cds_of(u32 number) const;
  };
  struct Word {
    u64 value;
    bool unknown;
    Group dies;
  };
  using Words = InlineVector<Word, 4>;
  /// What a legal STE and a CD form, or why they do not.
  struct Forming {
    Ste<u64> ste;
    Cd<u64> cd;
    bool known = false;
    bool e2h = false;
    std::optional<Rule> bad{};
    NotModelled not_modelled = NotModelled::no;
    u32 regime = 0;
  };
  /// What a legal STE with stage 2 alone forms.
  struct Forming2 {
    NotModelled not_modelled = NotModelled::no;
    u32 regime = 0;
  };

  Fetches(const Capabilities& caps, const Profile& profile, const Controls& controls,
          const Memory& memory, const ConfigCache& config, const FromReset& from_reset,
          const Atcs& atcs, const SteSpans& spans, const Trail& trail, Regimes& regimes,
          TlbItems& items, Findings& findings)
      : caps_(caps),
        profile_(profile),
        controls_(controls),
        memory_(memory),
        config_(config),
        from_reset_(from_reset),
        atcs_(atcs),
        spans_(spans),
        trail_(trail),
        regimes_(regimes),
        items_(items),
        findings_(findings) {}

  // ---- what a stream may translate by -----------------------------------------------------------
  /// Distinct options for a stream; false: a bound was hit.
  bool stream_options(u32 sid, u32 ssid, bool ssv, std::vector<StreamOption>& options) const;
  /// The same, kept as long as no configuration changes: until this or anything else is called that
  /// changes the state or asks for other options.
  [[nodiscard]] const StreamOptions& options_of(u32 sid, u32 ssid, bool ssv) const;
  /// By what an untranslated access of the stream may go now, and no other way: the options where
  /// SMMUEN is 1, GBPA where it is 0, and both while its change is not acknowledged. Whoever asks
  /// for outcomes and whoever judges promises asks here. Valid as long as what options_of() gives.
  [[nodiscard]] const StreamOptions& ways_of(u32 sid, u32 ssid, bool ssv) const;
  /// Some STE that the stream may use has MEV = 1, or is unknown. IHI 0070 7.3.1.
  [[nodiscard]] bool may_merge_events(u32 sid) const;

  // ---- structures; false: a bound was hit -------------------------------------------------------
  bool ste_options(u32 sid, SteOptions& options) const;
  /// The largest span that a valid STE of the stream's own may state (STE.CONT): log2. One that
  /// aborts may be obeyed, too.
  [[nodiscard]] unsigned stated_span(u32 sid) const;
  /// A version of the STE at `place`, valid or not, states one.
  [[nodiscard]] bool may_state_span(u64 place) const;
  /// STEs of a larger span are not looked at one by one.
  static constexpr u32 span_bound = 32;
  /// A span ends where the table does.
  [[nodiscard]] SidRange within_table(SidRange span) const;
  /// STEs of the span, as they are in memory or cached, differ in anything but CONT.
  [[nodiscard]] bool span_differs(SidRange span, bool cached_too = true) const;
  /// `all`: what ste_options() has of the stream.
  bool cd_options(u32 sid, u32 ssid, const SteOptions& all, CdOptions& options) const;
  /// Adds the CDs of substream `number`, once, for an event.
  void look_at_cds(u32 sid, u32 number, Options& options);
  /// Versions of one word: an L1STD, an L1CD.
  void words_at(ConfigKind kind, u32 sid, u32 ssid, u64 place, unsigned word, Words& words) const;

  // ---- what they form ---------------------------------------------------------------------------
  [[nodiscard]] const Forming& forming(const Ste<u64>& ste, const Cd<u64>& cd) const;
  [[nodiscard]] Forming2 forming2(const Ste<u64>& ste) const;
  void add_cd(const SteOption& ste, const CdOption& cd, StreamOption& option) const;
  void add_stage2(u32 sid, const SteOption& ste, StreamOption& option) const;

  // ---- what is kept of it -----------------------------------------------------------------------
  /// An option of the stream may change.
  void note_change(u32 sid) {
    ++ste_versions_[sid % ste_versions_.size()];
    note_change_of_cds(sid);
  }
  /// The same, and no STE of it does.
  void note_change_of_cds(u32 sid) { ++stream_versions_[sid % stream_versions_.size()]; }
  /// Of any stream.
  void note_change() { ++streams_version_; }
  /// So many CDs of a stream, that looking each one's cached words up among all would take the
  /// square of them.
  static constexpr std::size_t many_cds = 8;
  /// The cached words of the stream's CDs are kept sorted, while nothing is cached or dropped:
  /// until forget_cds().
  void gather_cds(u32 sid);
  void forget_cds() { cd_items_.valid = false; }
  /// Likewise the STEs of a span, which serve each stream of it: until forget_span().
  void gather_span(SidRange span);
  void forget_span() { span_stes_.valid = false; }
  /// What is kept is what would be read now (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  /// Of one stream; changes whenever one of its options may, while structures can be fetched and
  /// nothing from before reset can be cached.
  struct ConfigurationVersion {
    u64 stream = 0;
    u64 all = 0;
    u64 generation = 0;
    friend bool operator==(const ConfigurationVersion&, const ConfigurationVersion&) = default;
  };
  /// What was read of a stream, or of a substream of it, as long as no configuration changes.
  struct Substream {
    u32 sid = 0;
    u32 ssid = 0;
    bool ssv = false;
    friend bool operator==(const Substream&, const Substream&) = default;
  };
  template <class Options>
  struct Known {
    Substream of;
    bool complete = false;
    ConfigurationVersion version;
    Options options;
    [[nodiscard]] bool is(const Substream& which, const ConfigurationVersion& now) const {
      return complete && of == which && version == now;
    }
  };
  struct CdItems {
    bool valid = false;
    u32 sid = 0;
    std::vector<std::pair<u32, u32>> items;  ///< SubstreamID and number in ConfigCache, ascending
  };
  /// What serves the streams of one span, equal ones once.
  struct SpanStes {
    bool valid = false;
    SidRange span;
    bool beyond = false;   ///< it is larger than the array of STEs
    bool differs = false;  ///< in more than CONT
    bool stale = false;    ///< they do, and in memory they do not: only a cached one does
    SteOptions stes;
  };
  using Places = InlineVector<u64, 4>;
  using CachedWords = InlineVector<u32, 16>;
  /// What one fetch of a structure read: one word, or two.
  struct UnitValue {
    std::array<u64, 2> word;
    std::array<bool, 2> unknown;
    Group dies;
  };
  struct UnitValues {
    static constexpr unsigned bound = 16;
    std::array<UnitValue, bound> values;
    unsigned count = 0;
    bool overflow = false;
    void add(const UnitValue& value) {
      for (unsigned i = 0; i < count; ++i) {
        if (values[i].unknown != value.unknown || values[i].word != value.word) continue;
        if (values[i].dies < value.dies) values[i].dies = value.dies;
        return;
      }
      overflow |= count == bound;
      if (!overflow) values[count++] = value;
    }
    /// Of the words of the unit.
    [[nodiscard]] unsigned words_with_versions() const {
      unsigned words = 0;
      for (unsigned w = 0; w < 2; ++w) {
        bool differs = false;
        for (unsigned i = 1; i < count; ++i) {
          differs |= values[i].word[w] != values[0].word[w] ||
                     values[i].unknown[w] != values[0].unknown[w];
        }
        words += differs ? 1 : 0;
      }
      return words;
    }
  };

  /// What fetches of all units of one structure may have read.
  struct Units {
    std::array<UnitValues, ste_words> values;
    std::array<Group, ste_words> last{};  ///< of each unit's versions that which lives longest
    unsigned count = 0;
    u64 rest = 1;          ///< mixtures of all units but the first
    bool missing = false;  ///< some were never cached
    unsigned with_versions = 0;
    unsigned words_with_versions = 0;
  };

  /// Where STEs of the stream may be read, or are only cached from.
  struct StePlace {
    u64 place = 0;
    Group dies = immortal;
    bool cached_only = false;
  };
  using StePlaces = InlineVector<StePlace, 4>;
  [[nodiscard]] ConfigurationVersion version_of(u32 sid) const {
    return {stream_versions_[sid % stream_versions_.size()], streams_version_, trail_.generation()};
  }
  /// Of its STEs alone.
  [[nodiscard]] ConfigurationVersion version_of_stes(u32 sid) const {
    return {ste_versions_[sid % ste_versions_.size()], streams_version_, trail_.generation()};
  }
  /// note_change() tells of each change.
  [[nodiscard]] bool is_followed() const {
    return controls_.enabled() && !from_reset_.has_config();
  }
  bool look_at_stes(u32 sid, SteOptions& options) const;
  bool look_at_cds_of(u32 sid, u32 ssid, const SteOptions& all, CdOptions& options) const;
  void ste_places(u32 sid, StePlaces& places, SteOptions& options) const;
  bool read_stes(u32 sid, SteOptions& options) const;
  bool add_span(u32 sid, SteOptions& options) const;
  bool is_beyond_array(SidRange span) const;
  bool read_span(SidRange span, SpanStes& found) const;
  /// visit(number in ConfigCache) for each cached word of that CD, ascending.
  template <class Visit>
  void for_cd_items(u32 sid, u32 ssid, Visit&& visit) const;
  void units_at(u64 place, unsigned unit, bool cached_only, const CachedWords& cached,
                UnitValues& values) const;
  /// Numbers of the cached words of the structure at `place` that serve (sid, ssid).
  void cached_words(ConfigKind kind, u32 sid, u32 ssid, u64 place, CachedWords& found) const;
  /// `of(option)` is the structure of an option, by reference.
  template <class Option, class Of>
  static void add_option(Option option, u64 unknown, const Of& of, OptionList<Option>& options);
  [[nodiscard]] bool too_many(ConfigKind kind, u32 sid, u32 ssid, u64 place,
                              std::string_view of_what) const;
  /// Words that one fetch reads at once.
  [[nodiscard]] unsigned unit_words() const { return profile_.config_atom / 8; }
  bool read_units(ConfigKind kind, u32 sid, u32 ssid, u64 place, bool cached_only,
                  const CachedWords& cached, Units& units) const;
  template <class Option, class Of>
  bool add_settled(Option& option, const Of& of, OptionList<Option>& options) const;
  template <class Option, class Of>
  void add_mixtures(const Option& option, const Units& units, unsigned first, const Of& of,
                    OptionList<Option>& options) const;
  template <class Option, class Of>
  bool mixtures(ConfigKind kind, u32 sid, u32 ssid, u64 place, Group dies, bool cached_only,
                const Of& of, OptionList<Option>& options) const;

  const Capabilities& caps_;
  const Profile& profile_;
  const Controls& controls_;
  const Memory& memory_;
  const ConfigCache& config_;
  const FromReset& from_reset_;
  const Atcs& atcs_;
  const SteSpans& spans_;
  const Trail& trail_;
  Regimes& regimes_;  // numbers alone, which are no part of the state
  TlbItems& items_;   // likewise
  Findings& findings_;

  std::array<u64, 64> stream_versions_{};  // by StreamID: an option of such a stream may change
  std::array<u64, 64> ste_versions_{};     // one of its STEs
  u64 streams_version_ = 0;                // of any stream
  CdItems cd_items_;
  SpanStes span_stes_;
  mutable std::array<Known<StreamOptions>, 64> known_options_;
  mutable std::array<Known<SteOptions>, 32> known_stes_;
  mutable std::array<Known<CdOptions>, 64> known_cds_;
  mutable StreamOptions scratch_ways_;
  mutable std::array<Forming, 64> formings_;
};

}  // namespace iommucheck::spec
