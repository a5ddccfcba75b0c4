// SPDX-License-Identifier: MIT
#include "litmus/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "base/input.h"
#include "litmus/names.h"
#include "litmus/read_lines.h"
#include "litmus/reader.h"

namespace iommucheck::litmus {
namespace {

/// A `prelude` or `test` with its lines, not yet read.
struct Block {
  bool is_test = false;
  std::string name;
  Place place;
  std::vector<std::vector<Token>> lines;
  std::vector<Place> ends;
  std::string says;
};

using Blocks = std::vector<Block>;

Error bad(const Token& token, std::string_view message) {
  return {ErrorCode::bad_input,
          fmt::format("{}: '{}': {}", to_string(token.place), token.text, message)};
}

/// What follows the first word of the line, as it stands.
std::string rest_of(std::string_view line) {
  const std::string_view text = strip_comment(line);
  const auto blank = text.find_first_of(" \t");
  return blank == std::string_view::npos ? "" : std::string(strip_comment(text.substr(blank)));
}

Expected<void> open_block(const std::vector<Token>& tokens, const Place& end, Blocks& blocks) {
  LineReader reader({tokens.begin() + 1, tokens.end()}, end);
  // Names of tests may be of any one word; those of preludes are taken up by `use`.
  const Token name = reader.word("a name");
  reader.expect_end();
  if (reader.error()) return std::unexpected(*reader.error());
  const bool is_test = tokens[0].text == "test";
  for (const Block& other : blocks) {
    if (other.is_test == is_test && other.name == name.text) {
      return std::unexpected(bad(name, "this name stands twice in the file"));
    }
  }
  Block block;
  block.is_test = is_test;
  block.name = name.text;
  block.place = tokens[0].place;
  blocks.push_back(std::move(block));
  return {};
}

Expected<Blocks> split(std::string_view text, std::string_view file) {
  const auto name = std::make_shared<const std::string>(file);
  Blocks blocks;
  u32 number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const auto newline = std::min(text.find('\n', start), text.size());
    const std::string_view line = text.substr(start, newline - start);
    start = newline + 1;
    ++number;
    const auto tokens = tokens_of(line, {name, number, 1});
    if (tokens.empty()) continue;
    const Place end{name, number, static_cast<u32>(line.size() + 1)};
    if (tokens[0].text == "test" || tokens[0].text == "prelude") {
      if (auto opened = open_block(tokens, end, blocks); !opened) {
        return std::unexpected(opened.error());
      }
    } else if (blocks.empty()) {
      return std::unexpected(bad(tokens[0], "a test or prelude should begin before this line"));
    } else if (tokens[0].text == "says" && blocks.back().is_test) {
      std::string& says = blocks.back().says;
      says += (says.empty() ? "" : " ") + rest_of(line);
    } else {
      blocks.back().lines.push_back(tokens);
      blocks.back().ends.push_back(end);
    }
  }
  return blocks;
}

/// What a line is about, so that a later one replaces it; empty where nothing can replace it.
std::string key_of(const InitLine& line) {
  if (const auto* ste = std::get_if<SteLine>(&line.what)) {
    return fmt::format("ste {} {}", ste->table ? ste->table->text : "", ste->sid.value);
  }
  if (const auto* cd = std::get_if<CdLine>(&line.what)) {
    return fmt::format("cd {} {}", cd->name.text, cd->index ? cd->index->value : 0);
  }
  if (const auto* l1std = std::get_if<L1StdLine>(&line.what)) {
    return fmt::format("l1std {} {}", l1std->table.text, l1std->index.value);
  }
  if (const auto* l1cd = std::get_if<L1CdLine>(&line.what)) {
    return fmt::format("l1cd {} {}", l1cd->table.text, l1cd->index.value);
  }
  if (const auto* word = std::get_if<WordLine>(&line.what)) {
    return fmt::format("word {} {}", word->table.text, word->index.value);
  }
  if (const auto* cont = std::get_if<ContLine>(&line.what)) {
    return fmt::format("cont {} {}", cont->table.text, cont->index.value);
  }
  if (const auto* ats = std::get_if<AtsLine>(&line.what)) {
    return fmt::format("ats {}", ats->sid.value);
  }
  if (const auto* lacks = std::get_if<LacksLine>(&line.what)) {
    return "lacks" + std::to_string(static_cast<unsigned>(lacks->which));
  }
  if (const auto* bit = std::get_if<BitLine>(&line.what)) {
    return fmt::format("bit {}", static_cast<unsigned>(bit->which));
  }
  return fmt::format("fact {}", line.what.index());
}

/// A group replaces the single words that it covers.
bool covers(const InitLine& later, const InitLine& earlier) {
  const auto* cont = std::get_if<ContLine>(&later.what);
  const auto* word = std::get_if<WordLine>(&earlier.what);
  return cont != nullptr && word != nullptr && cont->table.text == word->table.text &&
         word->index.value - cont->index.value < cont->group.words();
}

void add_line(std::vector<InitLine>& lines, InitLine line) {
  const std::string key = key_of(line);
  std::erase_if(lines,
                [&](const InitLine& other) { return key_of(other) == key || covers(line, other); });
  lines.push_back(std::move(line));
}

constexpr unsigned init_lines_max = 2000;

/// Where a `use` looks: the file itself, what lies beside it, the built-in copy; in this order,
/// from the source in which the `use` stands.
class Preludes {
 public:
  Preludes(const Blocks& file, const Blocks& beside, const Blocks& built_in)
      : sources_{&file, &beside, &built_in} {}

  /// Before the lines of a test or of a prelude of the file: they are counted anew.
  void begin() { lines_left_ = init_lines_max; }

  /// Reads an init line (`init` stripped) into `lines`, or all that it uses.
  Expected<void> read_line(std::size_t source, std::vector<Token> tokens, const Place& end,
                           std::vector<InitLine>& lines) {
    const Place place = tokens.front().place;
    // Preludes that use others twice each would double at each step.
    if (lines_left_-- == 0) {
      return std::unexpected(bad(tokens.front(), fmt::format("more than {} lines of init, those of "
                                                             "preludes included",
                                                             init_lines_max)));
    }
    LineReader reader(std::move(tokens), end);
    if (reader.take("use")) {
      const Token name = reader.word("a prelude");
      reader.expect_end();
      if (reader.error()) return std::unexpected(*reader.error());
      return use(source, name, lines);
    }
    InitLine line = read_init(reader, place);
    reader.expect_end();
    if (reader.error()) return std::unexpected(*reader.error());
    add_line(lines, std::move(line));
    return {};
  }

  Expected<void> read_block(std::size_t source, const Block& block, std::vector<InitLine>& lines) {
    for (std::size_t i = 0; i < block.lines.size(); ++i) {
      auto read = read_line(source, block.lines[i], block.ends[i], lines);
      if (!read) return read;
    }
    return {};
  }

 private:
  Expected<void> use(std::size_t source, const Token& name, std::vector<InitLine>& lines) {
    for (std::size_t i = source; i < sources_.size(); ++i) {
      for (const Block& block : *sources_[i]) {
        if (block.is_test || block.name != name.text) continue;
        if (!open_.insert(&block).second) {
          return std::unexpected(bad(name, "this prelude uses itself"));
        }
        auto read = read_block(i, block, lines);
        open_.erase(&block);
        return read;
      }
    }
    std::string known;
    for (const Block& block : *sources_.back()) known += " " + block.name;
    return std::unexpected(bad(name,
                               "no prelude of this name in the file, in preludes.litmus "
                               "beside it, or built in; there are" +
                                   known));
  }

  std::array<const Blocks*, 3> sources_;
  std::set<const Block*> open_;
  unsigned lines_left_ = init_lines_max;
};

/// An outcome or DMA that the test does not define is a slip of the pen, and is refused.
Expected<void> check_names(const Test& test) {
  const auto names = names_in(test);
  const auto check = [&names](const std::vector<OutcomeText>& outcomes) -> Expected<void> {
    for (const OutcomeText& outcome : outcomes) {
      const std::string page = page_of_outcome(outcome.text);
      if (!page.empty() && !names.contains(page)) {
        return std::unexpected(
            bad({outcome.text, outcome.place}, "no page of this name in the test, and no fault"));
      }
    }
    return {};
  };
  for (const Access& access : test.accesses) {
    if (auto ok = check(access.allowed); !ok) return ok;
    if (access.promised) {
      if (auto ok = check(*access.promised); !ok) return ok;
    }
  }
  constexpr const char* never_began = "a DMA that never began";
  std::set<std::string> dmas;
  for (const Step& step : test.run) {
    if (const auto* begin = std::get_if<DmaBeginStep>(&step.what)) {
      if (!dmas.insert(begin->name.text).second) {
        return std::unexpected(bad({begin->name.text, begin->name.place}, "begins twice"));
      }
    }
    const auto* end = std::get_if<DmaEndStep>(&step.what);
    if (end != nullptr && !dmas.contains(end->name.text)) {
      return std::unexpected(bad({end->name.text, end->name.place}, never_began));
    }
    const auto* wait = std::get_if<WaitStep>(&step.what);
    if (wait != nullptr && wait->stall && !dmas.contains(wait->stall->text)) {
      return std::unexpected(bad({wait->stall->text, wait->stall->place}, never_began));
    }
    const auto answers = [&](const Command& command) {
      return !command.dma || dmas.contains(command.dma->text);
    };
    if (const auto* cmd = std::get_if<CmdStep>(&step.what);
        cmd != nullptr && !answers(cmd->command)) {
      return std::unexpected(bad({cmd->command.dma->text, cmd->command.dma->place}, never_began));
    }
    if (const auto* group = std::get_if<DoStep>(&step.what); group != nullptr) {
      const auto wrong = std::ranges::find_if_not(group->commands, answers);
      if (wrong != group->commands.end()) {
        return std::unexpected(bad({wrong->dma->text, wrong->dma->place}, never_began));
      }
    }
  }
  for (const DmaExpectation& dma : test.dmas) {
    if (!dmas.contains(dma.name.text)) {
      return std::unexpected(bad({dma.name.text, dma.name.place}, "no DMA of this name"));
    }
    if (auto ok = check(dma.allowed); !ok) return ok;
  }
  return {};
}

Expected<void> read_test_line(Preludes& preludes, std::vector<Token> tokens, const Place& end,
                              Test& test) {
  const Token keyword = tokens.front();
  tokens.erase(tokens.begin());
  if (keyword.text == "init") {
    if (tokens.empty()) return std::unexpected(bad({"", end}, "init of what?"));
    return preludes.read_line(0, std::move(tokens), end, test.init);
  }
  LineReader reader(std::move(tokens), end);
  if (keyword.text == "run") {
    test.run.push_back(read_step(reader, keyword.place));
  } else if (keyword.text == "access") {
    test.accesses.push_back(read_access(reader, keyword.place));
  } else if (keyword.text == "dma") {
    test.dmas.push_back(read_dma(reader, keyword.place));
  } else if (keyword.text == "load") {
    test.loads.push_back(read_load(reader, keyword.place));
  } else if (keyword.text == "driver") {
    if (test.driver) return std::unexpected(bad(keyword, "a second verdict"));
    test.driver = read_verdict(reader, keyword.place);
  } else {
    return std::unexpected(
        bad(keyword, "not a line of a test; it has says init run access dma load driver"));
  }
  reader.expect_end();
  if (reader.error()) return std::unexpected(*reader.error());
  return {};
}

Expected<Test> read_test(Preludes& preludes, const Block& block) {
  Test test;
  test.name = block.name;
  test.says = block.says;
  test.place = block.place;
  preludes.begin();
  for (std::size_t i = 0; i < block.lines.size(); ++i) {
    auto read = read_test_line(preludes, block.lines[i], block.ends[i], test);
    if (!read) return std::unexpected(read.error());
  }
  if (auto ok = check_names(test); !ok) return std::unexpected(ok.error());
  return test;
}

constexpr std::size_t file_max = std::size_t{16} << 20;

}  // namespace

Expected<File> parse(std::string_view text, std::string_view file, std::string_view beside) {
  auto own = split(text, file);
  if (!own) return std::unexpected(own.error());
  auto near = split(beside, "preludes.litmus");
  if (!near) return std::unexpected(near.error());
  auto built_in = split(built_in_preludes(), "<built-in>");
  if (!built_in) return std::unexpected(built_in.error());
  Preludes preludes(*own, *near, *built_in);
  File result;
  for (const Block& block : *own) {
    if (block.is_test) {
      auto test = read_test(preludes, block);
      if (!test) return std::unexpected(test.error());
      result.tests.push_back(std::move(*test));
    } else {
      Prelude prelude{block.name, {}, block.place};
      preludes.begin();
      auto read = preludes.read_block(0, block, prelude.lines);
      if (!read) return std::unexpected(read.error());
      result.preludes.push_back(std::move(prelude));
    }
  }
  return result;
}

Expected<File> parse_file(const std::string& path) {
  auto text = read_whole(path, file_max);
  if (!text) return std::unexpected(text.error());
  const auto neighbour = std::filesystem::path(path).parent_path() / "preludes.litmus";
  std::string beside;
  std::error_code code;
  if (std::filesystem::is_regular_file(neighbour, code) &&
      !std::filesystem::equivalent(neighbour, path, code)) {
    auto read = read_whole(neighbour.string(), file_max);
    if (!read) return std::unexpected(read.error());
    beside = std::move(*read);
  }
  return parse(*text, path, beside);
}

}  // namespace iommucheck::litmus
