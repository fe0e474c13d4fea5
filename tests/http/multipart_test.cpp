#include "http/multipart.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/http/support.h"

namespace tideline::http {
namespace {

struct Seen {
  std::string name;
  std::optional<std::string> filename;
  std::string type;
  std::string content;
  bool operator==(const Seen&) const = default;
};
void showValue(const Seen& seen, std::ostream& out) { out << seen.name << "=" << seen.content; }

/// Parses `text` in pieces whose sizes `next_size` gives.
template <class NextSize>
Result<std::vector<Seen>> parse(std::string_view text, std::string_view boundary, NextSize next_size) {
  MultipartParser parser(boundary);
  std::vector<Seen> parts;
  bool open = false;
  while (!text.empty()) {
    const std::string piece(text.substr(0, next_size()));  // a copy, so that ASan sees a view that is kept too long
    text.remove_prefix(piece.size());
    parser.feed(piece);
    for (;;) {
      TRY(const auto event, parser.next());
      if (event == MultipartParser::Event::kNeedInput) break;
      if (event == MultipartParser::Event::kPart) {
        EXPECT_FALSE(open);
        open = true;
        parts.push_back({parser.part().name, parser.part().filename, parser.part().content_type, {}});
      } else if (event == MultipartParser::Event::kData) {
        EXPECT_TRUE(open);
        EXPECT_FALSE(parser.data().empty());
        parts.back().content += parser.data();
      } else if (event == MultipartParser::Event::kPartEnd) {
        EXPECT_TRUE(open);
        open = false;
      }
    }
  }
  TRY_VOID(parser.finish());
  return parts;
}

Result<std::vector<Seen>> parse_whole(std::string_view text, std::string_view boundary = "b") {
  return parse(text, boundary, [&] { return text.size(); });
}

std::string form(const std::vector<Seen>& parts, std::string_view boundary) {
  std::string text;
  for (const Seen& part : parts) {
    text += "--" + std::string(boundary) + "\r\nContent-Disposition: form-data; name=\"" + part.name + "\"";
    if (part.filename) text += "; filename=\"" + *part.filename + "\"";
    if (!part.type.empty()) text += "\r\nContent-Type: " + part.type;
    text += "\r\n\r\n" + part.content + "\r\n";
  }
  return text + "--" + std::string(boundary) + "--\r\n";
}

TEST(Multipart, ReadsWhatCurlAndBrowsersSend) {
  const auto parts = parse_whole(
      "--b\r\nContent-Disposition: form-data; name=\"manifest\"; filename=\"a \\\"b\\\".json\"\r\nContent-Type: "
      "application/json\r\n\r\n{\"a\":1}\r\n--b\r\ncontent-disposition: form-data; name=force\r\nX-Other: "
      "y\r\n\r\n\r\n--b--\r\nepilogue");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(*parts,
            (std::vector<Seen>{{"manifest", "a \"b\".json", "application/json", "{\"a\":1}"}, {"force", {}, "", ""}}));
}

TEST(Multipart, ContentMayLookLikeABoundary) {
  const std::vector<Seen> parts{
      {"a", {}, "", "\r\n--\r\n-\r\n--x\r\r\n--\r\n"}, {"b", {}, "", "--b"}, {"c", {}, "", "\r"}};
  EXPECT_EQ(parse_whole(form(parts, "boundary"), "boundary").value(), parts);
}

TEST(Multipart, PreambleAndPaddingAreSkipped) {
  const auto parts = parse_whole("preamble\r\n--b \t\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--");
  ASSERT_TRUE(parts) << parts.error().message;
  EXPECT_EQ(parts->front().content, "x");
  EXPECT_EQ(parse_whole("--b--").value().size(), 0u);
}

TEST(Multipart, CutAtAnyByteIsSaidWithTheByte) {
  const std::string whole = form({{"a", "f", "text/plain", "content"}, {"b", {}, "", ""}}, "b");
  const std::size_t needed = whole.size() - 2;  // the last CRLF is not part of the form
  for (std::size_t size = 0; size < needed; ++size) {
    const auto parts = parse_whole(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(parts) << size;
    EXPECT_EQ(parts.error().message, "the form is cut off at byte " + std::to_string(size));
  }
  EXPECT_TRUE(parse_whole(std::string_view(whole).substr(0, needed)));
}

TEST(Multipart, MalformedFormsAreRefused) {
  const std::string begin = "--b\r\nContent-Disposition: form-data; name=a";
  const std::string_view table[] = {
      "--b\r\n\r\nx\r\n--b--",
      "--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--",
      "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
      "--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--b--",
      "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b--",
      "--b\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\nx\r\n--b--",
      "--b\r\nnonsense\r\n\r\nx\r\n--b--",
      "--b\nContent-Disposition: form-data; name=a\n\nx\n--b--",
      "--bx\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--",
      "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\nx\r\n--b--",
      "no form at all",
      "",
  };
  for (const auto text : table) EXPECT_FALSE(parse_whole(text)) << text;
  EXPECT_TRUE(parse_whole(begin + "\r\n\r\nx\r\n--b--"));
}

TEST(Multipart, LimitsHold) {
  std::vector<Seen> parts(kMaxParts, Seen{"a", {}, "", "x"});
  EXPECT_TRUE(parse_whole(form(parts, "b")));
  parts.push_back(parts.front());
  EXPECT_EQ(parse_whole(form(parts, "b")).error().code, Code::kTooLarge);
  EXPECT_EQ(parse_whole(form({{std::string(kMaxPartHeaderBytes, 'n'), {}, "", ""}}, "b")).error().code,
            Code::kTooLarge);
}

TEST(Multipart, BoundaryComesFromTheContentType) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc").value(), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"").value(), "a b");
  EXPECT_EQ(multipart_boundary("application/json").error().code, Code::kUnsupported);
  EXPECT_FALSE(multipart_boundary("multipart/form-data"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary="));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=a; boundary=b"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=\"a"));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=\"a \""));
  EXPECT_TRUE(multipart_boundary("multipart/form-data; boundary=" + std::string(kMaxBoundaryBytes, 'a')));
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(kMaxBoundaryBytes + 1, 'a')));
}

/// Content made of the pieces that matter to the search for a boundary.
rc::Gen<std::string> content() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
          "\r", "\n", "-", "--", "b", "x", "\r\n", "\r\n--", "\r\n-", std::string(1, '\0'), "{\"a\":1}")),
      [](const std::vector<std::string>& pieces) {
        std::string text;
        for (const auto& piece : pieces) text += piece;
        return text;
      });
}

RC_GTEST_PROP(Multipart, AnyChunkingGivesTheSameParts, ()) {
  std::vector<Seen> parts;
  const auto count = *rc::gen::inRange<std::size_t>(0, 5);
  const std::string boundary = "bb7";
  for (std::size_t i = 0; i < count; ++i) {
    std::string text = *content();
    while (text.find("--" + boundary) != std::string::npos) text.clear();
    parts.push_back({"part" + std::to_string(i), std::nullopt, "", text});
  }
  const auto result = parse(form(parts, boundary), boundary, [] { return *rc::gen::inRange<std::size_t>(1, 12); });
  RC_ASSERT(result.has_value());
  RC_ASSERT(*result == parts);
}

awaitable<std::string> read_form(std::string text, std::size_t piece) {
  MemoryBody raw(std::move(text), piece);
  BodyReader body(raw);
  MultipartReader reader(body, "b");
  std::string all;
  for (;;) {
    const auto part = co_await reader.next_part();
    if (!part) co_return "error: " + part.error().message;
    if (!*part) co_return all;
    all += (*part)->name + "=";
    if ((*part)->name == "skipped") continue;
    const auto rest = co_await reader.read_part(100);
    if (!rest) co_return "error: " + rest.error().message;
    all += *rest + ";";
  }
}

TEST(MultipartReader, HandsOnPartsAndSkipsTheUnread) {
  const std::vector<Seen> parts{{"a", {}, "", "one"}, {"skipped", {}, "", std::string(500, 's')}, {"b", {}, "", ""}};
  for (const std::size_t piece : {1UL, 2UL, 7UL, 1000UL}) {
    EXPECT_EQ(test::run(read_form(form(parts, "b") + "epilogue", piece)), "a=one;skipped=b=;");
    EXPECT_EQ(test::run(read_form(form({{"a", {}, "", std::string(101, 'x')}}, "b"), piece)),
              "error: part \"a\" is larger than the limit of 100 bytes");
    EXPECT_EQ(test::run(read_form("--b\r\n", piece)), "error: the form is cut off at byte 5");
  }
}

}  // namespace
}  // namespace tideline::http
