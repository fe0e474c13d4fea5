#include "server/body_encoder.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "http/digest_field.h"

namespace tideline::server {

Page checked_page(std::string_view plain, http::Encoding encoding, Version version) {
  BodyEncoder encoder(encoding);
  encoder.plain() = plain;
  Page page = encoder.finish(version);
  page.unencoded_digest = http::unencoded_digest(plain);
  return page;
}

void BodyEncoder::pass_on() {
  hash_.update(plain_);
  plain_bytes_ += plain_.size();
  compressor_.write(plain_, last_);
  plain_.clear();
  if (last_.size() >= kPieceBytes) pieces_.push_back(std::exchange(last_, {}));
}

// Each piece goes as soon as it is copied: a string that grew by doubling would take twice the room at its end.
std::string BodyEncoder::joined() {
  if (pieces_.empty()) return last_;
  std::size_t bytes = last_.size();
  for (const std::string& piece : pieces_) bytes += piece.size();
  std::string body;
  body.reserve(bytes);
  for (std::string& piece : pieces_) body += std::exchange(piece, {});
  pieces_.clear();
  body += last_;
  return body;
}

Page BodyEncoder::finish(Version version) {
  pass_on();
  compressor_.finish(last_);
  return {.body = std::make_shared<const std::string>(joined()),
          .encoding = encoding_,
          .etag = '"' + hash_.hex() + '-' + std::string(http::to_string(encoding_)) + '"',
          .plain_bytes = plain_bytes_,
          .version = version};
}

void Lane::start(std::function<void()> work) {
  job_ = std::make_shared<Job>();
  boost::asio::post(workers_, [job = job_, work = std::move(work)]() mutable {
    try {
      std::exchange(work, nullptr)();
    } catch (...) {
      job->thrown = std::current_exception();
    }
    job->done->open();
  });
}

awaitable<Result<void>> Lane::join(Deadline deadline) {
  if (!job_) co_return Result<void>();
  const auto job = std::exchange(job_, nullptr);
  if (!co_await pg::Gate::wait(job->done, deadline))
    co_return fail(Code::kDeadline, "The answer was not ready in time", "Try again.");
  if (job->thrown) std::rethrow_exception(job->thrown);
  co_return Result<void>();
}

}  // namespace tideline::server
