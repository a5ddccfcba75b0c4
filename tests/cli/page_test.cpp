// SPDX-License-Identifier: MIT
// --report FILE.html and explain --html: well-formed, nothing from elsewhere, every finding with
// its timeline; the script's data is what the drawing shows.
#include <gmock/gmock.h>

#include <functional>

#include "tests/cli/command_support.h"
#include "tests/places.h"
#include "tests/report/xml_support.h"
#include "trace/json_value.h"

namespace iommucheck::page_test {
namespace {

using oracle::XmlElement;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Page : public Command {
 protected:
  /// The page, whose first line is no XML.
  static XmlElement read(const std::string& text) {
    EXPECT_THAT(text, StartsWith("<!DOCTYPE html>\n"));
    auto page = oracle::parse_xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" +
                                  text.substr(text.find('\n') + 1));
    EXPECT_TRUE(page.has_value()) << text.substr(0, 2000);
    return page ? std::move(*page) : XmlElement{};
  }
  static void visit(const XmlElement& element, const std::function<void(const XmlElement&)>& see) {
    see(element);
    for (const XmlElement& child : element.children) visit(child, see);
  }
  /// All of that name and class; an empty class is any.
  static std::vector<const XmlElement*> all(const XmlElement& in, const std::string& name,
                                            const std::string& of_class = "") {
    std::vector<const XmlElement*> found;
    visit(in, [&](const XmlElement& one) {
      const auto own = one.attributes.find("class");
      const bool fits =
          of_class.empty() || (own != one.attributes.end() && own->second == of_class);
      if (one.name == name && fits) found.push_back(&one);
    });
    return found;
  }
  static void expect_nothing_from_elsewhere(const XmlElement& page) {
    visit(page, [](const XmlElement& one) {
      EXPECT_FALSE(one.attributes.contains("src")) << one.name;
      EXPECT_NE(one.name, "link");
      EXPECT_NE(one.name, "img");
      const auto leads = one.attributes.find("href");
      if (leads != one.attributes.end()) {
        EXPECT_THAT(leads->second, StartsWith("#"));
      }
      EXPECT_THAT(one.text, Not(HasSubstr("url(")));
    });
  }
  /// Steps, drawings and lives of a timeline fit each other.
  static void expect_timeline(const XmlElement& in, bool never_invalidated) {
    const auto drawn = all(in, "svg");
    ASSERT_EQ(drawn.size(), 1U);
    const auto lists = all(in, "ol");
    ASSERT_EQ(lists.size(), 1U);
    const auto steps = lists[0]->all("li");
    EXPECT_EQ(std::to_string(steps.size()), drawn[0]->attributes.at("data-steps"));
    EXPECT_EQ(all(*drawn[0], "circle").size(), steps.size());
    EXPECT_FALSE(all(*lists[0], "li", "named").empty());
    const auto data = all(in, "script", "drawings");
    ASSERT_EQ(data.size(), 1U);
    const auto drawings = trace::parse_json(data[0]->text);
    ASSERT_TRUE(drawings.has_value());
    for (const XmlElement* step : steps) {
      EXPECT_LT(std::stoul(step->attributes.at("data-drawing")), drawings->items.size());
    }
    EXPECT_EQ(all(in, "pre", "memory").at(0)->text, drawings->items.back().text);
    EXPECT_THAT(drawings->items.back().text, HasSubstr("stream table at "));
    bool lives_on = false;
    for (const XmlElement* life : all(*drawn[0], "g", "life")) {
      lives_on |= life->all("text").at(0)->text.ends_with("never invalidated");
      EXPECT_FALSE(life->all("rect").empty());
    }
    EXPECT_EQ(lives_on, never_invalidated);
  }
  std::string buggy(const std::string& more) const {
    return "check --seed 1 --runs 300 --machine default --driver " +
           test::in_build("examples/simple_driver_buggy.so ") + more;
  }
};

TEST_F(Page, HasEachFindingWithItsTimeline) {
  ASSERT_EQ(run(buggy("--findings 3 --out " + path("d") + " --report " + path("a.html") +
                      " --report " + path("a.json")))
                .status,
            1);
  const XmlElement page = read(slurp(path("a.html")));
  expect_nothing_from_elsewhere(page);
  const auto json = trace::parse_json(slurp(path("a.json")));
  ASSERT_TRUE(json.has_value());
  const auto& findings = json->find("findings")->value.items;
  const auto sections = all(page, "section", "finding");
  ASSERT_EQ(sections.size(), findings.size());
  ASSERT_GE(findings.size(), 2U);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    EXPECT_EQ(all(*sections[i], "p").at(0)->text, findings[i].find("headline")->value.text);
    EXPECT_THAT(all(*sections[i], "pre").back()->text, HasSubstr("the shortest sequence"));
    expect_timeline(*sections[i], findings[i].find("rule")->value.text == "PAGE_REUSE");
  }
  const auto tables = all(page, "section");
  const auto rules = std::ranges::find_if(tables, [](const XmlElement* one) {
    const auto id = one->attributes.find("id");
    return id != one->attributes.end() && id->second == "rules";
  });
  ASSERT_NE(rules, tables.end());
  EXPECT_EQ(all(**rules, "tr").size(), json->find("rules")->value.items.size() + 1);
}

TEST_F(Page, WithoutATraceItSaysSo) {
  ASSERT_EQ(run(buggy("--findings 1 --out '' --report " + path("a.html"))).status, 1);
  const XmlElement page = read(slurp(path("a.html")));
  EXPECT_EQ(all(page, "section", "finding").size(), 1U);
  EXPECT_TRUE(all(page, "svg").empty());
  EXPECT_THAT(slurp(path("a.html")), HasSubstr("No timeline: no trace was written (--out)."));
}

TEST_F(Page, OfOneTrace) {
  ASSERT_EQ(run(buggy("--findings 1 --out " + path("d"))).status, 1);
  const Ran ran = run("explain --html " + path("d/finding-PAGE_REUSE-1.trace.jsonl"));
  EXPECT_EQ(ran.status, 0) << ran.err;
  const XmlElement page = read(ran.out);
  expect_nothing_from_elsewhere(page);
  ASSERT_EQ(all(page, "section", "finding").size(), 1U);
  expect_timeline(*all(page, "section", "finding")[0], true);
  // The replay of it has the same.
  ASSERT_EQ(
      run("replay " + path("d/finding-PAGE_REUSE-1.trace.jsonl") + " --report " + path("b.html"))
          .status,
      1);
  EXPECT_EQ(all(read(slurp(path("b.html"))), "svg").size(), 1U);

  const Ran rule = run("explain --html PAGE_REUSE");
  EXPECT_EQ(rule.status, 2);
  EXPECT_THAT(rule.err, HasSubstr("--html is for traces"));
  EXPECT_EQ(run("explain --html /nowhere").status, 2);
}

/// In a browser: no error, keys step, what a step changes is marked, and the shade is switched.
TEST_F(Page, StepsByKeyboardInABrowser) {
  std::string browser;
  for (const char* name : {"chromium-headless-shell", "chromium"}) {
    const std::string has = "command -v " + std::string(name);
    if (browser.empty() && shell(has).status == 0) browser = name;
  }
  if (browser.empty()) GTEST_SKIP() << "there is no Chromium";
  ASSERT_EQ(run(buggy("--findings 1 --out " + path("d") + " --report " + path("a.html"))).status,
            1);
  std::string page = slurp(path("a.html"));
  const auto put_in_front = [&page](const std::string& of, const std::string& text) {
    const auto at = page.rfind(of);
    ASSERT_NE(at, std::string::npos) << of;
    page.insert(at, text);
  };
  put_in_front("<style",
               "<script>var wrong = [];"
               "addEventListener('error', function (e) { wrong.push(e.message); });"
               "console.error = function (e) { wrong.push(e); };</script>");
  put_in_front("</body>", R"(<pre id="tried"></pre><script>
    const figure = document.querySelector('.timeline'), said = [];
    function say(what) {
      said.push(what + ': ' + figure.querySelector('.now').textContent.split(':')[0] + ', ' +
                figure.querySelectorAll('.at').length + ' at, ' +
                (figure.querySelector('.memory mark') ? 'marked' : 'plain') + ', ' +
                document.documentElement.className);
    }
    function key(name) {
      document.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
      say(name);
    }
    say('begin');
    for (const name of ['Home', 'ArrowRight', 'ArrowRight', 'ArrowLeft', 'PageDown', 'End', 'x']) key(name);
    const steps = Number(figure.querySelector('svg').dataset.steps);
    let marked = 0;
    for (let i = 0; i < steps; ++i) { key('ArrowLeft'); marked += figure.querySelectorAll('mark').length; }
    document.getElementById('shade').click();
    say('shade');
    document.getElementById('tried').textContent = said.join('|') + '|' + marked + ' marks|wrong: ' + wrong.join(' ');
  </script>)");
  const std::string flags = " --headless --no-sandbox --disable-gpu --virtual-time-budget=2000 ";
  const Ran ran = shell(browser + flags + "--dump-dom --screenshot=" + path("shot.png") +
                        " --window-size=1200,1600 file://" + write("page.html", page));
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto begin = ran.out.find("<pre id=\"tried\">");
  ASSERT_NE(begin, std::string::npos) << ran.out.substr(0, 1000);
  const std::string tried = ran.out.substr(begin, ran.out.find("</pre>", begin) - begin);
  EXPECT_THAT(tried, HasSubstr("wrong: ")) << tried;
  EXPECT_TRUE(tried.ends_with("wrong: ")) << tried;
  EXPECT_THAT(tried, HasSubstr("Home: Step 1 of "));
  EXPECT_THAT(tried, HasSubstr("ArrowRight: Step 2 of "));
  EXPECT_THAT(tried, HasSubstr("ArrowRight: Step 3 of "));
  EXPECT_THAT(tried, HasSubstr("ArrowLeft: Step 2 of "));
  EXPECT_THAT(tried, HasSubstr("PageDown: Step 12 of "));
  EXPECT_THAT(tried, HasSubstr(", 1 at, marked"));
  EXPECT_THAT(tried, Not(HasSubstr("|0 marks")));
  EXPECT_TRUE(tried.find("dark") != std::string::npos || tried.find("light") != std::string::npos);
}

TEST_F(Page, OfTestsAndOfRunsWithoutAVerdict) {
  (void)write("bad.scenario", "nonsense <&>\n");
  EXPECT_EQ(run("scenario " + path("bad.scenario") + " --report " + path("a.html")).status, 2);
  const XmlElement page = read(slurp(path("a.html")));
  EXPECT_THAT(all(page, "span", "undecided").at(0)->text, HasSubstr("undecided"));
  EXPECT_FALSE(all(page, "tbody").empty());
}

}  // namespace
}  // namespace iommucheck::page_test
