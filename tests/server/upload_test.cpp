#include <fstream>
#include <functional>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "http/compress.h"
#include "pg/run.h"
#include "server/upload.h"
#include "tests/support/cluster_fixture.h"

namespace tideline::server {
namespace {

using test::must;
using test::TempDirectory;

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

class UploadTest : public ::testing::Test {
 protected:
  struct Sent {
    std::string body{};
    std::string content_type{};
    std::string content_encoding{};
    PushNotes notes{};
    std::uint64_t limit = 1 << 20;
    std::size_t piece = 7;
  };
  tl::expected<Upload, UploadRefusal> receive(const Sent& sent) {
    http::MemoryBody raw(sent.body, sent.piece);
    http::BodyReader reader(raw, sent.content_encoding);
    http::Request request(reader);
    if (!sent.content_type.empty()) request.headers.add("Content-Type", sent.content_type);
    const auto form = upload_form(request.headers);
    if (!form) throw std::runtime_error("no form");
    return *pg::run(io_,
                    wrapped(receive_upload(request, *form, sent.notes, sent.limit, *space_, pool_.get_executor())));
  }
  static boost::asio::awaitable<std::optional<tl::expected<Upload, UploadRefusal>>> wrapped(
      boost::asio::awaitable<tl::expected<Upload, UploadRefusal>> work) {
    co_return co_await std::move(work);
  }

  TempDirectory directory_;
  std::unique_ptr<UploadSpace> space_ = must(UploadSpace::open(directory_ / "tmp", 2));
  boost::asio::io_context io_;
  boost::asio::thread_pool pool_{1};
};

constexpr const char* kForm = "multipart/form-data; boundary=XX";
std::string part(std::string_view name, std::string_view value) {
  return "--XX\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"; filename=\"../../x\"\r\n\r\n" +
         std::string(value) + "\r\n";
}

TEST_F(UploadTest, ABodyOfJsonIsTheManifest) {
  auto upload = receive({.body = R"({"a":1})"});
  ASSERT_TRUE(upload);
  EXPECT_EQ(content(upload->manifest.path()), R"({"a":1})");
  EXPECT_FALSE(upload->catalog);
  EXPECT_EQ(files_in(space_->directory()), 1U);
  upload = tl::unexpected(UploadRefusal{});
  EXPECT_EQ(files_in(space_->directory()), 0U);
}

TEST_F(UploadTest, BodiesAreDecoded) {
  const std::string text(300'000, 'x');
  for (const auto encoding : {http::Encoding::kGzip, http::Encoding::kZstd}) {
    auto upload = receive({.body = http::compress(text, encoding),
                           .content_type = "application/json",
                           .content_encoding = std::string(http::to_string(encoding))});
    ASSERT_TRUE(upload);
    EXPECT_EQ(content(upload->manifest.path()), text);
  }
}

TEST_F(UploadTest, AFormHasFilesAndNotes) {
  auto upload = receive({.body = part("catalog", "{\"c\":1}") + part("force", "true") + part("unknown", "?") +
                                 part("manifest", "{\"m\":1}") + part("branch", "main") + "--XX--\r\n",
                         .content_type = kForm,
                         .notes = {false, "abc", "from the query", std::nullopt}});
  ASSERT_TRUE(upload);
  EXPECT_EQ(content(upload->manifest.path()), "{\"m\":1}");
  EXPECT_EQ(content(upload->catalog->path()), "{\"c\":1}");
  EXPECT_TRUE(upload->notes.force);
  EXPECT_EQ(upload->notes.commit, "abc");
  EXPECT_EQ(upload->notes.branch, "main");
  EXPECT_EQ(upload->manifest.path().parent_path(), space_->directory());
}

TEST_F(UploadTest, EveryRefusalLeavesNoFile) {
  const std::string whole = part("manifest", "{}") + part("catalog", "{}") + "--XX--\r\n";
  for (std::size_t cut = 0; cut < whole.size() - 4; ++cut) {
    auto upload = receive({.body = whole.substr(0, cut), .content_type = kForm});
    ASSERT_FALSE(upload) << cut;
    if (upload.error().fields.empty()) EXPECT_EQ(upload.error().error.code, Code::kInvalidInput) << cut;
    EXPECT_EQ(files_in(space_->directory()), 0U) << cut;
  }
}

TEST_F(UploadTest, AllBadPartsAreNamed) {
  auto upload = receive({.body = part("force", "maybe") + part("catalog", "{}") + part("catalog", "{}") +
                                 part("url", std::string(9000, 'u')) + "--XX--\r\n",
                         .content_type = kForm});
  ASSERT_FALSE(upload);
  std::string named;
  for (const auto& field : upload.error().fields) named += field.parameter + ' ';
  EXPECT_EQ(named, "force catalog url manifest ");
}

TEST_F(UploadTest, AnEmptyBodyLacksItsManifest) {
  auto upload = receive({});
  ASSERT_FALSE(upload);
  ASSERT_EQ(upload.error().fields.size(), 1U);
  EXPECT_EQ(upload.error().fields.front().parameter, "manifest");
}

TEST_F(UploadTest, TheLimitCountsDecodedBytes) {
  const std::string text(100'000, 'x');
  for (const char* encoding : {"", "gzip"}) {
    auto upload = receive({.body = *encoding ? http::compress(text, http::Encoding::kGzip) : text,
                           .content_encoding = encoding,
                           .limit = 50'000});
    ASSERT_FALSE(upload);
    EXPECT_EQ(upload.error().error.code, Code::kTooLarge);
    EXPECT_EQ(files_in(space_->directory()), 0U);
  }
}

TEST_F(UploadTest, ACorruptBodyIsRefused) {
  auto zipped = http::compress(std::string(1000, 'x'), http::Encoding::kGzip);
  auto upload = receive({.body = zipped.substr(0, zipped.size() / 2), .content_encoding = "gzip"});
  ASSERT_FALSE(upload);
  EXPECT_EQ(upload.error().error.code, Code::kInvalidInput);
  upload = receive({.body = "{}", .content_encoding = "br"});
  ASSERT_FALSE(upload);
  EXPECT_EQ(upload.error().error.code, Code::kUnsupported);
}

TEST(UploadSpace, EmptiesItsFolderAtStart) {
  TempDirectory directory;
  std::filesystem::create_directories(directory / "tmp/left/over");
  std::ofstream(directory / "tmp/upload-x") << "left";
  auto space = must(UploadSpace::open(directory / "tmp", 1));
  EXPECT_EQ(files_in(space->directory()), 0U);
}

TEST(UploadSpace, AdmitsAsManyAsItMay) {
  TempDirectory directory;
  auto space = must(UploadSpace::open(directory / "tmp", 2));
  auto first = space->enter();
  auto second = space->enter();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(space->enter());
  second.reset();
  EXPECT_TRUE(space->enter());
  EXPECT_EQ(space->in_use(), 1U);
}

TEST(UploadSpace, AFullDiskIsToldAsSuch) {
  EXPECT_EQ(upload_error(ENOSPC).code, Code::kResourceExhausted);
  EXPECT_EQ(upload_error(EDQUOT).code, Code::kResourceExhausted);
  EXPECT_EQ(upload_error(EIO).code, Code::kInternal);
}

}  // namespace
}  // namespace tideline::server
