// SPDX-License-Identifier: MIT
#include "check/cases.h"

#include <unistd.h>

#include <charconv>

#include <fmt/format.h>

#include "monitor/recorder.h"
#include "operations/older_words.h"
#include "process/child.h"
#include "trace/json.h"

namespace iommucheck::oracle {

namespace {

constexpr const char* cases_key = "cases";
constexpr const char* version_key = "operations";

void write_line(int stream, std::string line) {
  if (stream < 0) return;
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t done = ::write(stream, rest.data(), rest.size());
    if (done <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
}

/// Each event to the stream, and into the hash.
class Passing final : public Monitor::Sink {
 public:
  Passing(const Lockstep& lockstep, int stream) : lockstep_(lockstep), stream_(stream) {}
  void event(const trace::Event& event) override {
    if (stream_ >= 0) write_line(stream_, trace::to_json(placed(event, lockstep_.instruction())));
    hash_.event(event);
  }
  void begin_case() { hash_.reset(); }
  [[nodiscard]] u64 hash() const { return hash_.value(); }

 private:
  const Lockstep& lockstep_;
  int stream_;
  HashRecorder hash_;
};

std::optional<u64> number_of(std::string_view text) {
  u64 value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// The text before `end`, which is cut off with it; all of it where there is none.
std::string_view cut(std::string_view& text, char end) {
  const std::size_t place = text.find(end);
  const std::string_view before = text.substr(0, place);
  text.remove_prefix(place == std::string_view::npos ? text.size() : place + 1);
  return before;
}

}  // namespace

CasesResult run_cases(const iommucheck_driver& driver, const LockstepOptions& options,
                      std::span<const Sequence> cases, int stream) {
  CasesResult result;
  Lockstep lockstep(driver, options);
  trace::Header header = lockstep.header();
  put_cases(header, cases);
  write_line(stream, trace::to_json(header));
  Passing sink(lockstep, stream);
  const auto sink_for = [&](std::size_t i) {
    return stream >= 0 || i + 1 == cases.size() ? &sink : nullptr;
  };
  result.failed = lockstep.boot(stream >= 0 ? &sink : nullptr);
  // What the boot breaks it breaks before each case, which is judged all the same.
  result.findings = lockstep.monitor().findings();
  if (!result.failed.empty()) return result;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    lockstep.monitor().set_sink(sink_for(i));
    if (i != 0 && stream >= 0) {
      sink.event(
          {AgentId::cpu0, trace::DriverPhase{.phase = trace::DriverLife::restored}, std::nullopt});
    }
    sink.begin_case();
    lockstep.run(cases[i].operations, cases[i].ends);
  }
  if (!lockstep.monitor().findings().empty()) result.findings = lockstep.monitor().findings();
  result.hash = sink.hash();
  return result;
}

std::vector<u64> hashes_of(const iommucheck_driver& driver, const LockstepOptions& options,
                           std::span<const Sequence> cases, bool forked,
                           std::span<const u64> expected) {
  std::vector<u64> hashes;
  Lockstep lockstep(driver, options);
  if (!lockstep.boot().empty() || !lockstep.monitor().findings().empty()) return hashes;
  for (const Sequence& sequence : cases) {
    const std::size_t done = hashes.size();
    if (done != 0 && done <= expected.size() && hashes.back() != expected[done - 1]) break;
    const auto run = [&] {
      HashRecorder hash;
      lockstep.monitor().set_sink(&hash);
      lockstep.run(sequence.operations, sequence.ends);
      lockstep.monitor().set_sink(nullptr);
      return hash.value();
    };
    if (!forked) {
      hashes.push_back(run());
      continue;
    }
    const auto text = in_child([&] { return fmt::format("{:x}", run()); });
    const auto hash = text ? number_of(*text) : std::nullopt;
    if (!hash) return {};
    hashes.push_back(*hash);
  }
  return hashes;
}

// ENDS:WORD,WORD;... in hexadecimal; ENDS is ends_word().
void put_cases(trace::Header& header, std::span<const Sequence> cases) {
  std::string text;
  for (const Sequence& sequence : cases) {
    if (!text.empty()) text += ';';
    text += fmt::format("{:x}:", ends_word(sequence.ends));
    for (std::size_t i = 0; i < sequence.operations.size(); ++i) {
      text += fmt::format("{}{:x}", i == 0 ? "" : ",", fuzz::encode_word(sequence.operations[i]));
    }
  }
  if (!header.about) header.about = trace::TextMap{};
  (*header.about)[cases_key] = text;
  (*header.about)[version_key] = std::to_string(unsigned{fuzz::codec_version});
}

Expected<std::vector<Sequence>> cases_of(const trace::Header& header) {
  std::vector<Sequence> cases;
  const auto text = [&](const char* key) -> const std::string* {
    if (!header.about) return nullptr;
    const auto found = header.about->find(key);
    return found == header.about->end() ? nullptr : &found->second;
  };
  const std::string* written = text(cases_key);
  if (written == nullptr) return cases;
  const std::string* version = text(version_key);
  const auto codec = version == nullptr ? std::nullopt : number_of(*version);
  if (!codec || *codec > fuzz::codec_version || !fuzz::is_known_codec(static_cast<u32>(*codec))) {
    return fail(ErrorCode::bad_input,
                fmt::format("the trace has operations of version {}, this program knows 1 to {}",
                            version == nullptr ? "?" : *version, unsigned{fuzz::codec_version}));
  }
  std::string_view rest = *written;
  while (!rest.empty()) {
    std::string_view one = cut(rest, ';');
    Sequence sequence;
    const auto ends = number_of(cut(one, ':'));
    bool good = ends.has_value();
    if (good) sequence.ends = ends_of_word(*ends);
    while (good && !one.empty()) {
      const auto word = number_of(cut(one, ','));
      good = word.has_value() && sequence.operations.size() < fuzz::operations_max;
      if (good) {
        sequence.operations.push_back(fuzz::decode_word_of(static_cast<u32>(*codec), *word));
      }
    }
    if (!good) return fail(ErrorCode::bad_input, "the header's \"cases\" cannot be read");
    cases.push_back(std::move(sequence));
  }
  return cases;
}

}  // namespace iommucheck::oracle
