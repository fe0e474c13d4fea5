#include "sync/git_config.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/sync/git.h"

namespace tideline::sync {
namespace {

/// As `git config --list -z` prints: key, line feed, value, NUL; a name without a value has no line feed.
std::string listing(const std::vector<GitConfigEntry>& entries) {
  std::string out;
  for (const auto& entry : entries) {
    out += entry.section;
    if (entry.subsection) out += "." + *entry.subsection;
    out += (entry.section.empty() && !entry.subsection ? "" : ".") + entry.name;
    if (entry.value) out += "\n" + *entry.value;
    out += '\0';
  }
  return out;
}

std::string parsed(std::string_view text) {
  const auto entries = parse_git_config(text, "config");
  return entries ? listing(*entries) : "error";
}

TEST(GitConfig, ReadsWhatACloneHas) {
  const auto entries = parse_git_config(
      "[core]\n\tbare = false\n[remote \"Origin\"]\n\tURL = git@github.com:acme/shop.git ; comment\n[x]\nflag\n",
      "config");
  ASSERT_TRUE(entries);
  const std::vector<GitConfigEntry> expected{{"core", std::nullopt, "bare", "false"},
                                             {"remote", "Origin", "url", "git@github.com:acme/shop.git"},
                                             {"x", std::nullopt, "flag", std::nullopt}};
  EXPECT_EQ(*entries, expected);
}

TEST(GitConfig, ErrorsNameFileAndLine) {
  const auto entries = parse_git_config("[core]\n\tbare = false\n[remote \"origin\n", "/repo/.git/config");
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().code, Code::kInvalidInput);
  EXPECT_EQ(entries.error().message, "/repo/.git/config:3 is no line of a git config");
  EXPECT_FALSE(parse_git_config(std::string(kMaxGitConfigBytes + 1, ' '), "c"));
}

TEST(GitConfig, AgreesWithGitOnTheOddPlacesOfTheFormat) {
  const GitDirectory directory;
  for (const char* text : {"",
                           "\n",
                           "[a]\nb=c",
                           "[a]b=c",
                           "[a] b = c # d\n e = f ; g\n",
                           "[a]\nb = \"c ; d\"\n",
                           "[a]\nb = c\\\n d\n",
                           "[a]\nb = \" c \" d  \n",
                           "[a]\nb\n",
                           "[a]\nb   \n",
                           "[a]\nb = \n",
                           "[a]\nb # c\n",
                           "[a \"B\"]\nc=d\n",
                           "[a   \"B.c d\"]\nc=d\n",
                           "[a \"x\\\"y\\\\z\\w\"]\nc=d\n",
                           "[A.B]\nC=D\n",
                           "[a.b.c]\nd=e\n",
                           "[a \"b\" ]\nc=d\n",
                           "[a\"b\"]\nc=d\n",
                           "[a\n]\nb=c\n",
                           "[a \"b\nc\"]\nd=e\n",
                           "[a]\n1b=c\n",
                           "[a]\nb1-c=d\n",
                           "[a]\nb_c=d\n",
                           "[a]\nb = c\\td\\ne\\bf\\\\g\\\"h\n",
                           "[a]\nb = \\x\n",
                           "[a]\nb = \"c\n",
                           "[a]\nb = \"c\\\nd\"\n",
                           "\xEF\xBB\xBF[a]\nb=c\n",
                           "[a]\r\nb = c\r\nd = e\r\n",
                           "[a]\nb = c\rd\n",
                           "[a]\nb = c \r\n",
                           "a=b\n",
                           "[]\nb=c\n",
                           "[.a]\nb=c\n",
                           "[a.]\nb=c\n",
                           "[a-b]\nc=d\n",
                           "[a_b]\nc=d\n",
                           "[a]\n;x\n#y\n  z = w\n",
                           "[a]\nb = c   d\t\te\n",
                           "[a]\nb=\"\"\n",
                           "[a]\nb=\"\"\"\"\n",
                           "[a]\nb = c\\",
                           "[a",
                           "[a]\nb = \"c",
                           "[a]=\n",
                           "[a]\nb==c\n",
                           "[a]\nb c\n"}) {
    directory.write("config", text);
    const auto git = directory.shell("git config --file config --list -z");
    EXPECT_EQ(parsed(text), git.code == 0 ? git.text : "error") << text;
  }
}

TEST(GitConfig, AgreesWithGitOnRandomFiles) {
  const GitDirectory directory;
  const char* env = std::getenv("TIDELINE_SEED");
  const unsigned seed = env ? static_cast<unsigned>(std::strtoul(env, nullptr, 10)) : std::random_device()();
  std::printf("TIDELINE_SEED=%u\n", seed);
  std::mt19937 random(seed);
  const std::string_view pieces[] = {"[a]", "[b \"C d\"]", "\n",  "\n",   "x",  "=",    " ",    "\t",
                                     "\"",  "\\",          "\\n", "\\\n", "#",  ";",    "\r\n", "url",
                                     "-",   ".",           "]",   "[",    "v1", "\\\"", "é"};
  // Many files for one start of git: they are separated by what `for` prints.
  constexpr int kFiles = 600;
  std::vector<std::string> texts;
  for (int i = 0; i < kFiles; ++i) {
    std::string text = "[s]\n";
    // Every second one is short: most long ones are refused, and what is taken is to be compared too.
    for (auto n = random() % (i % 2 == 0 ? 24 : 8); n > 0; --n) text += pieces[random() % std::size(pieces)];
    directory.write("c" + std::to_string(i), text);
    texts.push_back(std::move(text));
  }
  const auto all = directory.shell("for i in $(seq 0 " + std::to_string(kFiles - 1) +
                                   "); do git config --file c$i --list -z > out$i || printf error > out$i; done");
  ASSERT_EQ(all.code, 0);
  int accepted = 0;
  for (int i = 0; i < kFiles; ++i) {
    std::ifstream in(directory.root / ("out" + std::to_string(i)), std::ios::binary);
    std::string git((std::istreambuf_iterator<char>(in)), {});
    if (git.ends_with("error")) git = "error";  // what was printed before the bad line does not count
    accepted += git != "error";
    EXPECT_EQ(parsed(texts[static_cast<std::size_t>(i)]), git) << texts[static_cast<std::size_t>(i)];
  }
  EXPECT_GT(accepted, kFiles / 10);
}

TEST(GitConfig, PathPatterns) {
  const auto match = [](std::string_view pattern, std::string_view text) { return matches_path(pattern, text, false); };
  EXPECT_TRUE(match("**/work/**", "/home/ada/work/shop/.git"));
  EXPECT_TRUE(match("**/shop/.git", "shop/.git"));
  EXPECT_TRUE(match("a/**/b", "a/b"));
  EXPECT_TRUE(match("a/**/b", "a/x/y/b"));
  EXPECT_FALSE(match("a/**/b", "a/xb"));
  EXPECT_FALSE(match("a**b", "a/b"));
  EXPECT_TRUE(match("a**b", "axxb"));
  EXPECT_TRUE(match("a*", "abc"));
  EXPECT_FALSE(match("a*", "a/c"));
  EXPECT_FALSE(match("a?c", "a/c"));
  EXPECT_TRUE(match("[a-c]x[!d]", "bxe"));
  EXPECT_FALSE(match("[a-c]x[!d]", "bxd"));
  EXPECT_TRUE(match("[]]", "]"));
  EXPECT_FALSE(match("[a", "a"));
  EXPECT_TRUE(match("\\*", "*"));
  EXPECT_FALSE(match("\\*", "a"));
  EXPECT_FALSE(match("a\\", "a"));
  EXPECT_TRUE(matches_path("/HOME/*", "/home/ada", true));
  EXPECT_TRUE(match("", ""));
  EXPECT_FALSE(match("", "a"));
  // What takes a back-tracking matcher for ever.
  EXPECT_FALSE(match("**/a*a*a*a*a*a*a*a*a*a*a*a*a*b/**", std::string(5000, 'a')));
}

}  // namespace
}  // namespace tideline::sync
