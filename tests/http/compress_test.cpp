// Content codings, conditional requests and problems: the pure parts of an answer.
#include "http/compress.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/json.h"
#include "http/conditional.h"
#include "http/problem.h"

namespace tideline::http {
namespace {

std::string negotiated(std::optional<std::string_view> header) {
  const auto encoding = negotiate(header);
  return encoding ? std::string(to_string(*encoding)) : "406";
}

TEST(Negotiation, FollowsRfc9110) {
  EXPECT_EQ(negotiated(std::nullopt), "identity");
  const std::pair<std::string_view, std::string_view> table[] = {
      // The examples of RFC 9110 §12.5.3.
      {"compress, gzip", "gzip"},
      {"", "identity"},
      {"*", "zstd"},
      {"compress;q=0.5, gzip;q=1.0", "gzip"},
      {"gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"},
      {"gzip, deflate, br, zstd", "zstd"},
      {"gzip;q=1, zstd;q=0.9", "gzip"},
      {"gzip;q=0.5, zstd;q=0.5", "zstd"},
      {"GZIP", "gzip"},
      {"x-gzip", "gzip"},
      {"br", "identity"},
      {"identity", "identity"},
      {"identity;q=0", "406"},
      {"*;q=0", "406"},
      {"*;q=0, gzip", "gzip"},
      {"identity;q=0, *", "zstd"},
      {"identity;q=0, br", "406"},
      {"gzip;q=0", "identity"},
      {"gzip;q=0, zstd;q=0, identity;q=0", "406"},
      {"*;q=0, identity;q=0.1", "identity"},
      {"gzip;q=0.001", "gzip"},
      {"gzip;q=1.001, zstd;q=nonsense", "identity"},
      {"gzip;q=2", "identity"},
      {"gzip;q=0.1234", "identity"},
      {" , gzip ;q=0.8 , ", "gzip"},
      {"gzip;Q=0.8;x=y", "gzip"},
  };
  for (const auto& [header, expected] : table) EXPECT_EQ(negotiated(header), expected) << header;
}

std::string repetitive(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; text.size() < size; ++i)
    text += "{\"id\":" + std::to_string(i * 7919) + ",\"name\":\"object\"}";
  text.resize(size);
  return text;
}

TEST(Compression, RoundTripsAtOnceAndInPieces) {
  for (const Encoding encoding : {Encoding::kIdentity, Encoding::kGzip, Encoding::kZstd})
    for (const std::size_t size : {0UL, 1UL, 100UL, 65536UL, 3'000'000UL}) {
      const std::string plain = repetitive(size);
      const std::string at_once = compress(plain, encoding);
      EXPECT_EQ(decompress(at_once, encoding, size).value_or("failed"), plain);
      Compressor compressor(encoding);
      std::string pieces;
      for (std::size_t at = 0; at < size; at += 7777) {
        compressor.write(std::string_view(plain).substr(at, 7777), pieces);
        if (at % 3 == 0) compressor.flush(pieces);
      }
      compressor.finish(pieces);
      EXPECT_EQ(decompress(pieces, encoding, size).value_or("failed"), plain);
    }
}

TEST(Compression, FlushedBytesCanBeDecoded) {
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd}) {
    Compressor compressor(encoding);
    std::string out;
    compressor.write("first line", out);
    compressor.flush(out);
    Decompressor decompressor(encoding);
    std::span<const char> input(out);
    const auto piece = decompressor.step(input);
    ASSERT_TRUE(piece);
    EXPECT_EQ(std::string(piece->data(), piece->size()), "first line");
  }
}

TEST(Decompression, CutAnywhereIsAnErrorAndNeverAShorterText) {
  const std::string plain = repetitive(5000);
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd}) {
    const std::string packed = compress(plain, encoding);
    for (std::size_t size = 0; size < packed.size(); ++size) {
      const auto result = decompress(std::string_view(packed).substr(0, size), encoding, 1 << 20);
      ASSERT_FALSE(result) << to_string(encoding) << size;
      EXPECT_EQ(result.error().code, Code::kInvalidInput);
    }
  }
}

TEST(Decompression, DamageIsSeenWhereTheFormatHasAChecksum) {
  const std::string plain = repetitive(5000);
  const std::string packed = compress(plain, Encoding::kGzip);
  for (std::size_t at = 10; at < packed.size(); ++at) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    // A few bits of the format carry nothing.
    const auto result = decompress(damaged, Encoding::kGzip, 1 << 20);
    EXPECT_TRUE(!result || *result == plain) << at;
  }
  EXPECT_FALSE(decompress("garbage", Encoding::kZstd, 100));
  EXPECT_FALSE(decompress("garbage", Encoding::kDeflate, 100));
  EXPECT_FALSE(decompress(packed + "garbage", Encoding::kGzip, 1 << 20));
}

TEST(Decompression, StopsABombAtTheLimit) {
  const std::string zeros(100 << 20, '\0');
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd}) {
    const auto result = decompress(compress(zeros, encoding), encoding, 1 << 20);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kTooLarge);
  }
}

TEST(Decompression, RefusesAFrameThatWantsAHugeWindow) {
  // A zstd frame header: magic, no single segment, window descriptor of 2^31.
  const std::string frame("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
  const auto result = decompress(frame, Encoding::kZstd, 100);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Code::kInvalidInput);
}

RC_GTEST_PROP(Decompression, InputCutAnywhereGivesTheSame, (const std::string& plain)) {
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd}) {
    const std::string packed = compress(plain, encoding) + compress(plain, encoding);
    Decompressor decompressor(encoding);
    std::string out;
    for (std::size_t at = 0; at < packed.size();) {
      const std::size_t size = std::min<std::size_t>(*rc::gen::inRange<std::size_t>(1, 20), packed.size() - at);
      std::span<const char> input(packed.data() + at, size);
      at += size;
      for (;;) {
        const auto piece = decompressor.step(input);
        RC_ASSERT(piece.has_value());
        if (piece->empty()) break;
        out.append(piece->data(), piece->size());
      }
    }
    RC_ASSERT(decompressor.finish().has_value());
    RC_ASSERT(out == plain + plain);
  }
}

RC_GTEST_PROP(Decompression, AnyBytesAreHarmless, (const std::string& bytes)) {
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kZstd, Encoding::kDeflate})
    static_cast<void>(decompress(bytes, encoding, 1 << 16));
}

TEST(Conditional, ComparesTagsByTheTableOfRfc9110) {
  // RFC 9110 §8.8.3.2.
  EXPECT_TRUE(if_none_match("W/\"1\"", "W/\"1\""));
  EXPECT_FALSE(if_match("W/\"1\"", "W/\"1\""));
  EXPECT_FALSE(if_none_match("W/\"1\"", "W/\"2\""));
  EXPECT_TRUE(if_none_match("W/\"1\"", "\"1\""));
  EXPECT_FALSE(if_match("W/\"1\"", "\"1\""));
  EXPECT_TRUE(if_none_match("\"1\"", "\"1\""));
  EXPECT_TRUE(if_match("\"1\"", "\"1\""));
}

TEST(Conditional, ReadsListsStrictly) {
  EXPECT_TRUE(if_none_match("\"a\", \"b\" ,W/\"c\"", "\"c\""));
  EXPECT_TRUE(if_none_match(" * ", "\"c\""));
  EXPECT_TRUE(if_none_match("\"a,b\"", "\"a,b\""));
  EXPECT_FALSE(if_none_match("\"a,b\"", "\"b\""));
  EXPECT_FALSE(if_none_match("", "\"\""));
  EXPECT_TRUE(if_none_match("\"\"", "\"\""));
  EXPECT_FALSE(if_none_match("c", "\"c\""));
  EXPECT_FALSE(if_none_match("\"c\" garbage", "\"c\""));
  EXPECT_FALSE(if_none_match("\"c\", \"unclosed", "\"c\""));
  EXPECT_FALSE(if_none_match("*, \"c\"", "\"c\""));
}

TEST(Conditional, CodingsHaveTagsOfTheirOwn) {
  EXPECT_EQ(entity_tag("1.2.3"), "\"1.2.3\"");
  EXPECT_EQ(entity_tag("1.2.3", Encoding::kZstd), "\"1.2.3-zstd\"");
  EXPECT_NE(entity_tag("1", Encoding::kGzip), entity_tag("1", Encoding::kZstd));
}

TEST(Conditional, NotModifiedIsForReadingOnly) {
  MemoryBody body;
  BodyReader reader(body);
  Request request(reader);
  request.headers.add("if-none-match", "\"x\"");
  request.headers.add("If-None-Match", "\"t\"");
  request.method = Method::kPut;
  EXPECT_FALSE(not_modified(request, "\"t\"", "no-cache"));
  request.method = Method::kHead;
  const auto response = not_modified(request, "\"t\"", "no-cache");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 304u);
  EXPECT_EQ(response->headers.find("etag"), "\"t\"");
  EXPECT_TRUE(response->headers.find("Vary"));
}

TEST(Problem, CarriesWhatBothKindsOfClientRead) {
  Problem what;
  what.status = 410;
  what.message = "the cursor is below the floor";
  what.hint = "sync in full";
  what.code = "below_floor";
  what.errors = {{"cursor", "too old"}};
  const Response response = problem(what, "id-1");
  const auto json = Json::parse(response.body.view(), "problem");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->string_at("type"), "about:blank");
  EXPECT_EQ(json->string_at("title"), "Gone");
  EXPECT_EQ(*json->find("status")->if_int(), 410);
  EXPECT_EQ(json->string_at("detail"), what.message);
  EXPECT_EQ(json->string_at("message"), what.message);
  EXPECT_EQ(json->string_at("hint"), what.hint);
  EXPECT_EQ(json->string_at("code"), what.code);
  EXPECT_EQ(json->string_at("request_id"), "id-1");
  EXPECT_EQ(json->find("errors")->if_array()->front().string_at("parameter"), "cursor");
  EXPECT_EQ(response.headers.find("Cache-Control"), "no-store");
}

TEST(Problem, EveryCodeHasAStatusAndInternalOnesTellNothing) {
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    const Error error{static_cast<Code>(code), "message of ours", "", "detail of ours"};
    const Response response = problem(error, "id-1");
    EXPECT_GE(response.status, 400u);
    EXPECT_EQ(response.body.view().find("detail of ours"), std::string_view::npos);
    EXPECT_EQ(response.body.view().find("message of ours") == std::string_view::npos, response.status == 500);
    EXPECT_NE(reason_phrase(response.status), "Unknown");
    EXPECT_EQ(response.headers.find("WWW-Authenticate").has_value(), response.status == 401);
    EXPECT_EQ(response.headers.find("Retry-After").has_value(), response.status == 503);
  }
}

}  // namespace
}  // namespace tideline::http
