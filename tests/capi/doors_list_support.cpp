// SPDX-License-Identifier: MIT
#include "tests/capi/doors_list_support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include "tests/own_path.h"

namespace iommucheck::test {

namespace {

constexpr const char* headers[] = {"words.h",          "driver.h", "monitor.h",
                                   "monitor_events.h", "device.h", "backend.h"};

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string one_line(const std::string& text) {
  const std::string spaced = std::regex_replace(text, std::regex(R"(\s+)"), " ");
  return std::regex_replace(spaced, std::regex(R"(^ | $)"), "");
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text + at) {
    if (c != at) {
      part += c;
      continue;
    }
    parts.push_back(one_line(part));
    part.clear();
  }
  return parts;
}

/// Collects the C statements that print the lines.
class Reader {
 public:
  explicit Reader(std::string text) {
    text = std::regex_replace(text, std::regex(R"(/\*[^*]*\*+([^/*][^*]*\*+)*/)"), " ");
    text = std::regex_replace(text, std::regex(R"(\\\n)"), " ");
    std::string rest;
    for (const std::string& line : lines(text)) {
      if (line.find_first_not_of(' ') != std::string::npos &&
          line[line.find_first_not_of(' ')] == '#') {
        macro(line);
      } else {
        rest += line + "\n";
      }
    }
    code(std::regex_replace(rest, std::regex(R"(extern "C" \{)"), " "));
  }
  std::string program;

 private:
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::string line;
    for (const char c : text) {
      if (c == '\n') {
        all.push_back(line);
        line.clear();
      } else {
        line += c;
      }
    }
    return all;
  }
  void number(const std::string& name) {
    program += "  printf(\"constant " + name + " %llu\\n\", (unsigned long long)(" + name + "));\n";
  }
  void macro(const std::string& line) {
    static const std::regex plain(R"(^ *# *define +(IOMMUCHECK_\w+) +([^"]+)$)");
    static const std::regex of_one(R"(^ *# *define +(IOMMUCHECK_\w+)\(n\) .*$)");
    std::smatch found;
    if (std::regex_match(line, found, plain)) number(found[1]);
    if (std::regex_match(line, found, of_one)) number(found[1].str() + "(1)");
  }
  void code(const std::string& text) {
    static const std::regex body(R"((struct|enum)\s+(\w*)\s*\{([^{}]*)\})");
    std::string rest;
    auto last = text.cbegin();
    for (std::sregex_iterator it(text.begin(), text.end(), body), end; it != end; ++it) {
      rest.append(last, text.cbegin() + it->position());
      last = text.cbegin() + it->position() + it->length();
      if ((*it)[1] == "enum") {
        for (const std::string& value : split((*it)[3], ',')) {
          if (!value.empty()) number(value.substr(0, value.find(' ')));
        }
      } else {
        members((*it)[2], (*it)[3]);
      }
    }
    rest.append(last, text.cend());
    for (const std::string& statement : split(rest, ';')) {
      const bool function = statement.find('(') != std::string::npos &&
                            statement.find("iommucheck_") != std::string::npos &&
                            !statement.starts_with("typedef");
      if (function) program += "  puts(\"function " + statement + "\");\n";
    }
  }
  void members(const std::string& type, const std::string& text) {
    const std::string whole = "struct " + type;
    bool grows = false;
    for (const std::string& declaration : split(text, ';')) {
      if (declaration.empty()) continue;
      static const std::regex pointer(R"(\(\*(\w+)\)\()");
      static const std::regex name(R"((\w+)(\[\w+\])?$)");
      std::smatch found;
      std::vector<std::string> names;
      if (std::regex_search(declaration, found, pointer)) {
        names.push_back(found[1]);
      } else {
        for (const std::string& one : split(declaration, ',')) {
          if (std::regex_search(one, found, name)) names.push_back(found[1]);
        }
      }
      for (const std::string& member : names) {
        grows |= member == "size" || member == "head";
        std::string place = "((";
        place += whole + "*)0)->" + member;
        program += "  printf(\"member " + type + "." + member +
                   " at %llu, %llu bytes: " + declaration + "\\n\", (unsigned long long)offsetof(" +
                   whole + ", " + member + "), (unsigned long long)sizeof(" + place + "));\n";
      }
    }
    // One that says no size cannot grow.
    if (!grows) {
      program +=
          "  printf(\"struct " + type + " %llu\\n\", (unsigned long long)sizeof(" + whole + "));\n";
    }
  }
};

/// What a line is about: the same in every version of it.
std::string subject(const std::string& line) {
  std::smatch found;
  static const std::regex function(R"(^function .*?(iommucheck_\w+)\()");
  if (std::regex_search(line, found, function)) return "function " + found[1].str();
  return line.substr(0, line.find(' ', line.find(' ') + 1));
}

}  // namespace

std::vector<std::string> list_of_doors(const std::string& include) {
  std::string program = "#include <stdio.h>\n";
  std::string body;
  for (const char* header : {"driver.h", "monitor.h", "device.h", "backend.h"}) {
    program += std::string("#include \"iommucheck/") + header + "\"\n";
  }
  for (const char* header : headers)
    body += Reader(slurp(include + "/iommucheck/" + header)).program;
  program += "int main(void) {\n" + body + "  return 0;\n}\n";
  const std::string base = own_path("doors_list");
  std::ofstream(base + ".c") << program;
  const std::string build = std::string(IOMMUCHECK_C_COMPILER) + " -std=c99 -Wall -Werror -I " +
                            include + " -o " + base + ".bin " + base + ".c && " + base + ".bin > " +
                            base + ".txt";
  EXPECT_EQ(std::system(build.c_str()), 0) << build;
  std::vector<std::string> lines = split(slurp(base + ".txt"), '\n');
  std::erase(lines, "");
  return lines;
}

DoorsDifference compare_doors(const std::vector<std::string>& list,
                              const std::vector<std::string>& now) {
  std::map<std::string, std::string> is;
  std::set<std::string> promised;
  for (const std::string& line : now) is[subject(line)] = line;
  DoorsDifference difference;
  for (const std::string& line : list) {
    promised.insert(subject(line));
    const auto found = is.find(subject(line));
    if (found == is.end()) {
      difference.broken.push_back(line + "\n    is gone");
    } else if (found->second != line) {
      difference.broken.push_back(line + "\n    is now: " + found->second);
    }
  }
  for (const std::string& line : now) {
    if (!promised.contains(subject(line))) difference.added.push_back(line);
  }
  return difference;
}

}  // namespace iommucheck::test
