#pragma once
// Goes through a template's text and tags in order: what is taken of conditions, how often loops are gone through, what
// is set, and what goes out. Internal to the reading of Jinja.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/jinja.h"
#include "sql/jinja_evaluator.h"
#include "sql/jinja_lexer.h"
#include "sql/jinja_state.h"
#include "sql/jinja_writer.h"

namespace tideline::sql {

class JinjaWalk {
 public:
  /// `tags`: those of `text`. All three must outlive this.
  JinjaWalk(JinjaState& state, std::string_view text, const std::vector<JinjaTag>& tags)
      : state_(state), result_(state.result), text_(text), tags_(tags) {}

  /// The whole file.
  std::vector<JinjaElement> run();
  /// What a macro gives; its parameters are set.
  JinjaValue run(const JinjaMacro& macro);

 private:
  enum class FrameKind : std::uint8_t { kIf, kFor, kSet, kBlock, kCall, kFilter, kCount };
  struct EndWord;
  struct BlockWord;

  /// A loop over a list that is known.
  struct Loop {
    std::vector<std::string> names;
    std::vector<JinjaValue> items;
    std::vector<Truth> taken;  // by the loop's own `if`
    std::size_t next = 0;
    std::size_t body = 0;  // the first tag in it
  };

  /// A block that is open.
  struct Frame {
    FrameKind kind{};
    std::string_view word;            // that opened it
    Span open;                        // the tag
    Truth run_left{}, parse_left{};   // of an if, a for: whether a later branch may be taken
    bool chosen = false;              // a branch of it gives the SQL
    std::string name;                 // of a set
    std::optional<std::size_t> mark;  // of JinjaResult::opaque: where the SQL hangs on it
    const JinjaTag* tag = nullptr;    // of a call
    std::size_t opaque = 0;           // of a call: how much was left open before it
    std::optional<Loop> loop;
    // What held outside of it.
    bool emitting = true;
    Truth run{}, parse{};
    std::int32_t block = kNoBlock;
    bool in_definition = false;
    std::size_t undo = 0;
    bool scoped = false;
  };

  void walk(std::size_t first, std::size_t last, std::size_t begin, std::size_t end, bool trim_begin, bool trim_end);
  void close_all();

  // What goes out
  void emit_text(std::size_t begin, std::size_t end, bool trim_left, bool trim_right);
  void emit_placed(std::string_view text, Span file);
  void emit_opaque(JinjaCause cause, Span file, bool is_place);
  /// The mark that a loop or a branch was taken without knowing; nullopt: none is needed, or it has no place in the
  /// SQL.
  std::optional<std::size_t> emit_mark(OpaqueReason reason, std::string name, Span file);
  void emit(const JinjaValue& value, const JinjaEvaluator& evaluator, Span file);

  // Tags
  void handle(const JinjaTag& tag);
  void statement(const JinjaTag& tag);
  Frame* open(FrameKind kind, std::string_view word, Span span);
  void enter(Truth run, Truth parse);
  void open_if(const JinjaTag& tag, JinjaEvaluator& evaluator);
  void take_branch(Frame& frame, Truth run, Truth parse, Span tag);
  void next_branch(const JinjaTag& tag, JinjaEvaluator& evaluator, bool conditional);
  void open_for(const JinjaTag& tag, JinjaEvaluator& evaluator);
  void open_unknown_loop(const JinjaTag& tag, const std::vector<std::string>& names, const JinjaValue& value,
                         bool is_filtered);
  bool next_round(Frame& frame);
  void bind(const std::vector<std::string>& names, const JinjaValue& item);
  void set(const JinjaTag& tag, JinjaEvaluator& evaluator);
  void set_member(const std::string& name, const std::string& member, const JinjaValue& value);
  void open_call(const JinjaTag& tag, JinjaEvaluator& evaluator);
  void end_call(const Frame& frame, std::uint32_t end);
  void open_block(const JinjaTag& tag, JinjaEvaluator& evaluator, const BlockWord& word);
  void close(const JinjaTag& tag, FrameKind kind, std::string_view word);
  void pop(std::uint32_t body_end, std::uint32_t end);
  void undo_to(std::size_t mark);
  void take_return(const JinjaEvaluator& evaluator);

  // Variables
  void assign(const std::string& name, JinjaValue value);
  void assign_here(const std::string& name, JinjaValue value);

  JinjaState& state_;
  JinjaResult& result_;
  std::string_view text_;
  const std::vector<JinjaTag>& tags_;
  std::size_t at_ = 0;       // of the text
  std::size_t next_ = 0;     // tag
  bool trim_ = false;        // what stands at `at_`
  std::size_t reached_ = 0;  // how far text has gone out

  std::vector<JinjaElement> elements_;
  std::vector<Frame> frames_;
  std::array<std::size_t, static_cast<std::size_t>(FrameKind::kCount)> open_{};
  std::vector<std::string> captures_;
  std::vector<std::pair<std::string, std::optional<JinjaValue>>> undo_;
  std::size_t scopes_ = 0;
  std::size_t rounds_ = 0;  // loops that are gone through
  std::size_t skipped_ = 0;
  bool emitting_ = true;
  // Of a macro: whether it may still be going on after what it has returned so far.
  Truth run_on_ = Truth::kYes, parse_on_ = Truth::kYes;
  std::vector<JinjaValue> returned_;
};

}  // namespace tideline::sql
