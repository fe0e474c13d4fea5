#pragma once
// A server on loopback and a client of raw bytes, for tests that look at what goes over the wire.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "http/server.h"

namespace tideline::http::test {

/// Blocking, with a bound on every wait: a test that hangs fails.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int connected = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    EXPECT_EQ(connected, 0);
    const int on = 1;  // pieces go out as they are sent
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void finish_sending() { ::shutdown(socket_, SHUT_WR); }
  /// False when the other side has reset the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// One answer: head and body as framed (chunked is undone). Empty when the connection ended before its head was
  /// there.
  struct Answer {
    unsigned status = 0;
    std::string head;
    std::string body;
    bool complete = false;

    std::string header(std::string_view name) const {
      std::string lower;
      for (const char c : head) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      std::string key = "\r\n";
      for (const char c : name) key += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const auto at = lower.find(key + ": ");
      if (at == std::string::npos) return {};
      const auto value = at + key.size() + 2;
      return head.substr(value, head.find("\r\n", value) - value);
    }
  };

  Answer read(bool without_body = false) {
    Answer answer;
    std::size_t head_end = 0;
    do {
      while ((head_end = input_.find("\r\n\r\n")) == std::string::npos)
        if (!more()) return answer;
      answer.head = input_.substr(0, head_end + 2);
      input_.erase(0, head_end + 4);
      answer.status = static_cast<unsigned>(std::atoi(answer.head.c_str() + 9));
    } while (answer.status == 100 && ++continues);
    if (without_body || answer.status == 304 || answer.status == 204) {
      answer.complete = true;
      return answer;
    }
    if (answer.header("Transfer-Encoding") == "chunked") {
      for (;;) {
        std::size_t eol = 0;
        while ((eol = input_.find("\r\n")) == std::string::npos)
          if (!more()) return answer;
        const std::size_t size = std::strtoul(input_.c_str(), nullptr, 16);
        while (input_.size() < eol + 2 + size + 2)
          if (!more()) return answer;
        answer.body += input_.substr(eol + 2, size);
        input_.erase(0, eol + 2 + size + 2);
        if (size == 0) break;
      }
      answer.complete = true;
    } else if (const std::string length = answer.header("Content-Length"); !length.empty()) {
      const std::size_t size = std::strtoul(length.c_str(), nullptr, 10);
      while (input_.size() < size)
        if (!more()) break;
      answer.body = input_.substr(0, size);
      answer.complete = answer.body.size() == size;
      input_.erase(0, answer.body.size());
    } else {
      while (more()) {
      }
      answer.body.swap(input_);
      answer.complete = true;
    }
    return answer;
  }

  Answer exchange(std::string_view request, bool without_body = false) {
    send(request);
    return read(without_body);
  }

  /// True when the other side has closed (or reset) the connection and nothing is left to read.
  bool at_end() { return input_.empty() && !more(); }
  /// Whether anything can be read within the time.
  bool readable_within(std::chrono::milliseconds time) {
    pollfd poll_for{socket_, POLLIN, 0};
    return !input_.empty() || ::poll(&poll_for, 1, static_cast<int>(time.count())) > 0;
  }
  bool more() {
    if (!readable_within_raw(std::chrono::seconds(20))) {
      ADD_FAILURE() << "no byte from the server in 20 s";
      return false;
    }
    char bytes[16384];
    const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size < 0) was_reset = true;
    if (size <= 0) return false;
    input_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  int continues = 0;  // "100 Continue" seen
  bool was_reset = false;

 private:
  bool readable_within_raw(std::chrono::milliseconds time) {
    pollfd poll_for{socket_, POLLIN, 0};
    return ::poll(&poll_for, 1, static_cast<int>(time.count())) > 0;
  }

  int socket_ = -1;
  std::string input_;
};

/// Runs a coroutine to its end on this thread: for code that awaits nothing but memory.
template <class T>
T run(awaitable<T> task) {
  boost::asio::io_context io;
  std::optional<T> result;
  boost::asio::co_spawn(io, std::move(task), [&result](std::exception_ptr failure, T value) {
    if (failure) std::rethrow_exception(failure);
    result.emplace(std::move(value));
  });
  io.run();
  return std::move(*result);
}

inline std::unique_ptr<Server> start_server(Handler handler, Options options = {}) {
  auto server = std::make_unique<Server>(std::move(options), std::move(handler));
  const auto started = server->start();
  EXPECT_TRUE(started) << (started ? "" : started.error().message);
  return server;
}

}  // namespace tideline::http::test
