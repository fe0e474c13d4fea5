#include "sql/jinja_walk.h"

#include <algorithm>

namespace tideline::sql {
namespace {

/// What has been left open from here on does not belong to the SQL.
void silence(JinjaResult& result, std::size_t from) {
  for (std::size_t i = from; i < result.opaque.size(); ++i) result.opaque[i].silent = true;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'; }

}  // namespace

struct JinjaWalk::EndWord {
  std::string_view word;
  FrameKind kind;
};
struct JinjaWalk::BlockWord {
  std::string_view word;
  JinjaBlock::Kind kind;
};

// ---- The whole ----

std::vector<JinjaElement> JinjaWalk::run() {
  walk(0, tags_.size(), 0, text_.size(), false, false);
  close_all();
  return std::move(elements_);
}

JinjaValue JinjaWalk::run(const JinjaMacro& macro) {
  const JinjaTag &first = tags_[macro.begin], &last = tags_[macro.end];
  captures_.emplace_back();
  walk(macro.begin + 1, macro.end, first.span.end, last.span.begin, first.trims_right, last.trims_left);
  close_all();
  JinjaValue text = JinjaValue::rendered(std::move(captures_.front()));
  if (returned_.empty()) return text;
  // Something may come after the last return that only may be reached; mostly it is white space.
  const bool is_blank = std::all_of(text.as_text().begin(), text.as_text().end(), is_space);
  if (run_on_ != Truth::kNo && !is_blank) returned_.push_back(std::move(text));
  if (returned_.size() == 1) return std::move(returned_.front());
  if (!state_.spend(kAlternativeCost * returned_.size())) return {};
  return JinjaValue::one_of(returned_);
}

void JinjaWalk::walk(std::size_t first, std::size_t last, std::size_t begin, std::size_t end, bool trim_begin,
                     bool trim_end) {
  next_ = first;
  at_ = begin;
  trim_ = trim_begin;
  for (;;) {
    const bool is_last = next_ >= last;
    const JinjaTag* tag = is_last ? nullptr : &tags_[next_];
    emit_text(at_, is_last ? end : tag->span.begin, trim_, is_last ? trim_end : tag->trims_left);
    if (is_last || run_on_ == Truth::kNo || state_.gave_up()) return;
    ++next_;
    at_ = tag->span.end;
    trim_ = tag->trims_right;
    if (rounds_ > 0) state_.step(1 + tag->tokens.size());  // a call of a macro has paid for its text
    handle(*tag);                                          // may go back
  }
}

void JinjaWalk::close_all() {
  while (!frames_.empty()) {
    if (run_on_ != Truth::kNo && !state_.gave_up())
      state_.problem(frames_.back().open, "this " + std::string(frames_.back().word) + " has no end");
    pop(static_cast<std::uint32_t>(text_.size()), static_cast<std::uint32_t>(text_.size()));
  }
}

// ---- What goes out ----

void JinjaWalk::emit_text(std::size_t begin, std::size_t end, bool trim_left, bool trim_right) {
  if (!emitting_) return;
  while (trim_left && begin < end && is_space(text_[begin])) ++begin;
  while (trim_right && begin < end && is_space(text_[end - 1])) --end;
  if (begin >= end) return;
  if (!captures_.empty()) {
    if (state_.spend(end - begin)) captures_.back().append(text_.substr(begin, end - begin));
    return;
  }
  // What comes again counts as text that is made.
  if (begin < reached_ && !state_.spend(end - begin)) return;
  reached_ = std::max(reached_, end);
  JinjaElement element;
  element.file = {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
  elements_.push_back(std::move(element));
}

void JinjaWalk::emit_placed(std::string_view text, Span file) {
  if (!emitting_ || text.empty()) return;
  if (!state_.spend(text.size())) return emit_opaque({OpaqueReason::kTooMuch, {}}, file, true);
  if (!captures_.empty()) {
    captures_.back() += text;
    return;
  }
  JinjaElement element;
  element.kind = JinjaElement::Kind::kPlaced;
  element.file = file;
  element.placed = text;
  elements_.push_back(std::move(element));
}

void JinjaWalk::emit_opaque(JinjaCause cause, Span file, bool is_place) {
  if (!emitting_ || state_.gave_up()) return;
  if (result_.opaque.size() >= kMaxJinjaFacts) {
    result_.truncated = true;
    if (result_.opaque.size() >= kMaxJinjaFacts * 10) return;
  }
  JinjaOpaque opaque;
  opaque.reason = cause.reason;
  opaque.name = std::move(cause.name);
  opaque.within = state_.outermost();
  opaque.file = state_.place(file);
  result_.opaque.push_back(std::move(opaque));
  const std::size_t index = result_.opaque.size() - 1;
  if (!captures_.empty()) {
    if (!is_place) return;
    const std::string placeholder = "__jinja_" + std::to_string(index + 1) + "__";
    if (!state_.spend(placeholder.size())) return;
    captures_.back() += placeholder;
    result_.opaque.back().placeholder = placeholder;
    return;
  }
  JinjaElement element;
  element.kind = JinjaElement::Kind::kOpaque;
  element.file = file;
  element.opaque = index;
  element.is_place = is_place;
  elements_.push_back(std::move(element));
}

std::optional<std::size_t> JinjaWalk::emit_mark(OpaqueReason reason, std::string name, Span file) {
  const std::size_t index = result_.opaque.size();
  emit_opaque({reason, std::move(name)}, file, false);
  if (index == result_.opaque.size() || !captures_.empty()) return std::nullopt;
  return index;
}

void JinjaWalk::emit(const JinjaValue& value, const JinjaEvaluator& evaluator, Span file) {
  if (evaluator.is_silent() && value.as_text().empty()) return;
  const JinjaValue& first = value.first();
  switch (first.kind()) {
    case JinjaValue::Kind::kText:
    case JinjaValue::Kind::kPartial:
    case JinjaValue::Kind::kNumber:
    case JinjaValue::Kind::kRelation:
      return emit_placed(first.as_text(), file);
    case JinjaValue::Kind::kNone:
      return emit_placed("None", file);
    case JinjaValue::Kind::kBoolean:
      if (first.run() != Truth::kMaybe) return emit_placed(first.run() == Truth::kYes ? "True" : "False", file);
      break;
    default:
      break;
  }
  emit_opaque(evaluator.cause(), file, true);
}

// ---- Tags ----

void JinjaWalk::handle(const JinjaTag& tag) {
  switch (tag.kind) {
    case JinjaTag::Kind::kExpression: {
      JinjaEvaluator evaluator(state_, text_, tag.tokens);
      const std::size_t opaque = result_.opaque.size();
      const JinjaValue value = evaluator.expressions();
      evaluator.expect_end();
      if (evaluator.is_silent() && !evaluator.returned()) silence(result_, opaque);
      take_return(evaluator);
      const std::size_t met = result_.opaque.size(), emitted = elements_.size();
      emit(value, evaluator, tag.span);
      if (elements_.size() > emitted && captures_.empty()) {
        elements_.back().first_within = opaque;
        elements_.back().end_within = met;
      }
      return;
    }
    case JinjaTag::Kind::kStatement:
      return statement(tag);
    case JinjaTag::Kind::kRaw:
      return emit_text(tag.inner.begin, tag.inner.end, tag.inner_trims_left, tag.inner_trims_right);
    case JinjaTag::Kind::kUnclosed: {
      static constexpr std::array<std::string_view, 3> kClosers{"}}", "%}", "#}"};
      state_.problem({tag.span.begin, tag.span.begin + 2},
                     "expected `" + std::string(kClosers[static_cast<std::size_t>(tag.opened) - 1]) +
                         "`, found the end of the line or another tag");
      JinjaEvaluator evaluator(state_, text_, tag.tokens);
      if (!tag.tokens.empty()) evaluator.collect_rest();
      if (tag.opened == JinjaTag::Kind::kExpression) emit_opaque({OpaqueReason::kExpression, {}}, tag.span, true);
      return;
    }
    case JinjaTag::Kind::kComment:
    case JinjaTag::Kind::kNone:
      return;
  }
}

void JinjaWalk::statement(const JinjaTag& tag) {
  static constexpr std::array kBlocks{BlockWord{"macro", JinjaBlock::Kind::kMacro},
                                      BlockWord{"test", JinjaBlock::Kind::kTest},
                                      BlockWord{"data_test", JinjaBlock::Kind::kTest},
                                      BlockWord{"materialization", JinjaBlock::Kind::kMaterialization},
                                      BlockWord{"snapshot", JinjaBlock::Kind::kSnapshot},
                                      BlockWord{"docs", JinjaBlock::Kind::kDocs}};
  static constexpr std::array kEnds{EndWord{"endif", FrameKind::kIf},
                                    EndWord{"endfor", FrameKind::kFor},
                                    EndWord{"endset", FrameKind::kSet},
                                    EndWord{"endmacro", FrameKind::kBlock},
                                    EndWord{"endtest", FrameKind::kBlock},
                                    EndWord{"enddata_test", FrameKind::kBlock},
                                    EndWord{"endmaterialization", FrameKind::kBlock},
                                    EndWord{"endsnapshot", FrameKind::kBlock},
                                    EndWord{"enddocs", FrameKind::kBlock},
                                    EndWord{"endcall", FrameKind::kCall},
                                    EndWord{"endfilter", FrameKind::kFilter}};
  JinjaEvaluator evaluator(state_, text_, tag.tokens);
  const std::string_view word = evaluator.take_name();
  if (word == "if") return open_if(tag, evaluator);
  if (word == "elif" || word == "else") return next_branch(tag, evaluator, word == "elif");
  if (word == "for") return open_for(tag, evaluator);
  if (word == "set") return set(tag, evaluator);
  if (word == "do") {
    if (state_.run == Truth::kMaybe && !state_.is_in_macro()) result_.sets_in_branch = true;
    evaluator.expressions();
    evaluator.expect_end();
    return take_return(evaluator);
  }
  if (word == "call") return open_call(tag, evaluator);
  if (word == "filter") {
    open(FrameKind::kFilter, word, tag.span);
    return;
  }
  for (const auto& block : kBlocks)
    if (block.word == word) return open_block(tag, evaluator, block);
  for (const auto& end : kEnds)
    if (end.word == word) return close(tag, end.kind, word);
  if (word == "import" || word == "include" || word == "from" || word == "extends" || word == "break" ||
      word == "continue" || word == "raw")
    return;
  state_.problem(tag.span, word.empty() ? "expected the name of a statement"
                                        : "`" + std::string(word.substr(0, 40)) + "` is no statement of dbt's Jinja");
  evaluator.collect_rest();
}

JinjaWalk::Frame* JinjaWalk::open(FrameKind kind, std::string_view word, Span span) {
  if (frames_.size() >= kMaxJinjaBlocks) {
    if (skipped_++ == 0) state_.problem(span, "more than " + std::to_string(kMaxJinjaBlocks) + " blocks are open");
    return nullptr;
  }
  Frame frame;
  frame.kind = kind;
  frame.word = word;
  frame.open = span;
  frame.emitting = emitting_;
  frame.run = state_.run;
  frame.parse = state_.parse;
  frame.block = state_.block;
  frame.in_definition = state_.in_definition;
  frame.undo = undo_.size();
  ++open_[static_cast<std::size_t>(kind)];
  frames_.push_back(std::move(frame));
  return &frames_.back();
}

void JinjaWalk::enter(Truth run, Truth parse) {
  state_.run = run && run_on_;
  state_.parse = parse && parse_on_;
}

void JinjaWalk::take_return(const JinjaEvaluator& evaluator) {
  if (!evaluator.returned()) return;
  if (state_.run != Truth::kNo && state_.spend(kAlternativeCost)) returned_.push_back(*evaluator.returned());
  run_on_ = run_on_ && !state_.run;
  parse_on_ = parse_on_ && !state_.parse;
  enter(state_.run, state_.parse);
}

// ---- Conditions ----

void JinjaWalk::open_if(const JinjaTag& tag, JinjaEvaluator& evaluator) {
  const JinjaValue condition = evaluator.expression();
  evaluator.expect_end();
  Frame* frame = open(FrameKind::kIf, "if", tag.span);
  if (frame == nullptr) return;
  frame->run_left = frame->parse_left = Truth::kYes;
  take_branch(*frame, condition.run(), condition.parse(), tag.span);
}

/// Goes into the branch of `frame` that is taken where these hold and no earlier branch is.
void JinjaWalk::take_branch(Frame& frame, Truth run, Truth parse, Span tag) {
  const Truth here = frame.run_left && run;
  enter(frame.run && here, frame.parse && frame.parse_left && parse);
  frame.run_left = frame.run_left && !run;
  frame.parse_left = frame.parse_left && !parse;
  emitting_ = frame.emitting;
  if (here == Truth::kMaybe && !frame.chosen) frame.mark = emit_mark(OpaqueReason::kBranch, {}, tag);
  emitting_ = frame.emitting && !frame.chosen && here != Truth::kNo;
  if (here != Truth::kNo) frame.chosen = true;
}

void JinjaWalk::next_branch(const JinjaTag& tag, JinjaEvaluator& evaluator, bool conditional) {
  if (skipped_ > 0) return;
  JinjaValue condition = JinjaValue::boolean(Truth::kYes);
  if (conditional) {
    condition = evaluator.expression();
    evaluator.expect_end();
  }
  if (frames_.empty() || (frames_.back().kind != FrameKind::kIf && frames_.back().kind != FrameKind::kFor))
    return state_.problem(tag.span, "there is no if that this belongs to");
  take_branch(frames_.back(), condition.run(), condition.parse(), tag.span);
}

// ---- Loops ----

void JinjaWalk::open_for(const JinjaTag& tag, JinjaEvaluator& evaluator) {
  std::vector<std::string> names;
  const bool parenthesis = evaluator.take("(");
  do {
    if (const auto name = evaluator.take_name(); !name.empty()) names.emplace_back(name);
  } while (evaluator.take(","));
  if (parenthesis) evaluator.take(")");
  if (names.empty() || !evaluator.take("in")) {
    state_.problem(tag.span, "expected `for name in …`");
    evaluator.collect_rest();
    return open_unknown_loop(tag, names, {}, false);
  }
  const JinjaValue value = evaluator.iterable();
  const bool is_filtered = evaluator.take("if");
  const std::size_t condition = evaluator.at();
  const std::size_t size = value.items().size();
  // Of one that may have more in it, what is known is gone through.
  const bool is_list = (value.kind() == JinjaValue::Kind::kList || value.kind() == JinjaValue::Kind::kDict) &&
                       (!value.is_open() || size > 0);
  const bool is_dead = state_.run == Truth::kNo && state_.parse == Truth::kNo;
  const bool is_run = is_list && !is_dead && !state_.in_definition && !evaluator.failed() &&
                      state_.spend(kAlternativeCost * size) &&
                      state_.step(size * (1 + (is_filtered ? tag.tokens.size() : 0)));
  if (!is_run) {
    if (is_filtered) evaluator.expression();
    evaluator.take("recursive");
    evaluator.expect_end();
    return open_unknown_loop(tag, names, value, is_filtered);
  }

  Loop loop;
  loop.names = std::move(names);
  loop.body = next_;
  for (std::size_t i = 0; i < size; ++i) {
    JinjaValue item = value.kind() == JinjaValue::Kind::kList ? value.items()[i] : JinjaValue::text(value.keys()[i]);
    Truth taken = Truth::kYes;
    if (is_filtered) {
      const std::size_t mark = undo_.size();
      ++scopes_;
      bind(loop.names, item);
      JinjaEvaluator filter(state_, text_, tag.tokens, condition);
      taken = filter.expression().run();
      undo_to(mark);
      --scopes_;
    }
    if (taken == Truth::kNo) continue;
    loop.items.push_back(std::move(item));
    loop.taken.push_back(taken);
  }
  std::optional<std::size_t> mark, filtered;
  if (value.is_open()) mark = emit_mark(OpaqueReason::kLoop, loop.names.front(), tag.span);
  if (std::find(loop.taken.begin(), loop.taken.end(), Truth::kMaybe) != loop.taken.end())
    filtered = emit_mark(OpaqueReason::kBranch, {}, tag.span);
  Frame* frame = open(FrameKind::kFor, "for", tag.span);
  if (frame == nullptr) return;
  // Of both the first stays without bounds.
  frame->mark = filtered ? filtered : mark;
  frame->scoped = true;
  ++scopes_;
  const bool is_empty = loop.items.empty();
  frame->run_left = frame->parse_left = is_empty ? Truth::kYes : Truth::kNo;  // for the else of an empty list
  frame->loop = std::move(loop);
  ++rounds_;
  if (next_round(*frame)) return;
  enter(Truth::kNo, Truth::kNo);
  emitting_ = false;
}

void JinjaWalk::bind(const std::vector<std::string>& names, const JinjaValue& item) {
  if (names.size() == 1) return assign(names.front(), item);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool has = item.kind() == JinjaValue::Kind::kList && i < item.items().size();
    assign(names[i], has ? item.items()[i] : JinjaValue());
  }
}

/// Begins the loop's body for its next item; false where there is none.
bool JinjaWalk::next_round(Frame& frame) {
  Loop& loop = *frame.loop;
  undo_to(frame.undo);
  if (loop.next == loop.items.size()) return false;
  if (!state_.step(1) || !state_.spend(kAlternativeCost)) {
    state_.give_up();
    emitting_ = frame.emitting;
    emit_opaque({OpaqueReason::kTooMuch, loop.names.front()}, frame.open, false);
    return false;
  }
  const std::size_t i = loop.next++;
  const std::size_t size = loop.items.size();
  bind(loop.names, loop.items[i]);
  const auto number = [](std::size_t n) { return JinjaValue::number(std::to_string(n)); };
  const auto boolean = [](bool holds) { return JinjaValue::boolean(holds ? Truth::kYes : Truth::kNo); };
  std::vector<std::pair<std::string, JinjaValue>> members;
  members.emplace_back("first", boolean(i == 0));
  members.emplace_back("last", boolean(i + 1 == size));
  members.emplace_back("index", number(i + 1));
  members.emplace_back("index0", number(i));
  members.emplace_back("revindex", number(size - i));
  members.emplace_back("revindex0", number(size - i - 1));
  members.emplace_back("length", number(size));
  if (i > 0) members.emplace_back("previtem", loop.items[i - 1]);
  if (i + 1 < size) members.emplace_back("nextitem", loop.items[i + 1]);
  assign("loop", JinjaValue::dict(std::move(members)));
  frame.chosen = true;
  emitting_ = frame.emitting;
  enter(frame.run && loop.taken[i], frame.parse && loop.taken[i]);
  next_ = loop.body;
  at_ = tags_[loop.body - 1].span.end;
  trim_ = tags_[loop.body - 1].trims_right;
  return true;
}

/// Taken once, each name being any of the items that are known.
void JinjaWalk::open_unknown_loop(const JinjaTag& tag, const std::vector<std::string>& names, const JinjaValue& value,
                                  bool is_filtered) {
  std::vector<JinjaValue> items;
  bool known = true;
  for (const JinjaValue& one : value) {
    const bool is_list = one.kind() == JinjaValue::Kind::kList;
    if (!is_list && one.kind() != JinjaValue::Kind::kDict) {
      known = false;
      continue;
    }
    known &= !one.is_open();
    for (std::size_t i = 0; i < one.items().size() && items.size() < JinjaValue::kMaxAlternatives; ++i) {
      if (!state_.spend(names.size() * kAlternativeCost)) break;
      items.push_back(is_list ? one.items()[i] : JinjaValue::text(one.keys()[i]));
    }
  }
  Frame* frame = open(FrameKind::kFor, "for", tag.span);
  if (frame == nullptr) return;
  frame->scoped = true;
  ++scopes_;
  frame->run_left = frame->parse_left = Truth::kYes;
  const bool nothing = known && items.empty();
  const bool once = known && items.size() == 1;
  const Truth filtered = is_filtered ? Truth::kMaybe : Truth::kYes;
  const Truth parse = nothing ? Truth::kNo : known ? filtered : Truth::kMaybe;
  emitting_ = frame->emitting;
  if (!nothing && !once) frame->mark = emit_mark(OpaqueReason::kLoop, names.empty() ? "" : names.front(), tag.span);
  frame->chosen = !nothing;  // marked as a loop; it is no branch
  take_branch(*frame, nothing ? Truth::kNo : once ? Truth::kYes : Truth::kMaybe, parse, tag.span);
  emitting_ = frame->emitting && !nothing;
  // Only an empty list has the else branch.
  frame->parse_left = nothing ? Truth::kYes : known ? Truth::kNo : Truth::kMaybe;

  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<JinjaValue> values;
    for (const JinjaValue& item : items) {
      if (names.size() == 1)
        values.push_back(item);
      else if (item.kind() == JinjaValue::Kind::kList && i < item.items().size())
        values.push_back(item.items()[i]);
    }
    assign(names[i], JinjaValue::one_of(values));
  }
  const JinjaValue end = JinjaValue::boolean(Truth::kYes, once ? Truth::kYes : Truth::kMaybe);
  const auto counter = [&](const char* first) {
    const JinjaValue number = JinjaValue::number(first);
    return once ? number : JinjaValue::one_of({number, JinjaValue()});
  };
  std::vector<std::pair<std::string, JinjaValue>> loop;
  loop.emplace_back("first", end);
  loop.emplace_back("last", end);
  loop.emplace_back("index", counter("1"));
  loop.emplace_back("index0", counter("0"));
  if (known) loop.emplace_back("length", JinjaValue::number(std::to_string(items.size())));
  assign("loop", JinjaValue::dict(std::move(loop)));
}

// ---- Variables ----

void JinjaWalk::assign(const std::string& name, JinjaValue value) {
  auto before = state_.assign(name, std::move(value));
  if (scopes_ > 0) undo_.emplace_back(name, std::move(before));
}

void JinjaWalk::undo_to(std::size_t mark) {
  for (; undo_.size() > mark; undo_.pop_back()) state_.restore(undo_.back().first, std::move(undo_.back().second));
}

/// Where it may or may not be run, the variable has either value; that of the branch which gives the SQL comes first.
void JinjaWalk::assign_here(const std::string& name, JinjaValue value) {
  if (state_.run == Truth::kNo) return;
  if (state_.run == Truth::kMaybe && !state_.is_in_macro()) result_.sets_in_branch = true;
  const JinjaValue* before = state_.run == Truth::kMaybe ? state_.variable(name) : nullptr;
  if (before != nullptr && state_.spend(4096))
    value = emitting_ ? JinjaValue::one_of({value, *before}) : JinjaValue::one_of({*before, value});
  assign(name, std::move(value));
}

/// Of a namespace: in whatever loop it is set, it stays.
void JinjaWalk::set_member(const std::string& name, const std::string& member, const JinjaValue& value) {
  const JinjaValue* owner = state_.variable(name);
  if (owner == nullptr || owner->kind() != JinjaValue::Kind::kDict || state_.run == Truth::kNo) return;
  if (state_.run == Truth::kMaybe && !state_.is_in_macro()) result_.sets_in_branch = true;
  JinjaValue after = value;
  const JinjaValue* before = state_.run == Truth::kMaybe ? owner->find(member) : nullptr;
  if (!state_.spend(kAlternativeCost * (owner->items().size() + 1)) || (before != nullptr && !state_.spend(4096)))
    after = {};
  else if (before != nullptr)
    after = emitting_ ? JinjaValue::one_of({value, *before}) : JinjaValue::one_of({*before, value});
  state_.assign(name, owner->with(member, std::move(after)));
}

void JinjaWalk::set(const JinjaTag& tag, JinjaEvaluator& evaluator) {
  std::vector<std::string> names, members;
  do {
    names.emplace_back(evaluator.take_name());
    members.emplace_back();
    while (evaluator.take(".")) members.back() = evaluator.take_name();
  } while (evaluator.take(","));
  if (names.front().empty()) {
    state_.problem(tag.span, "expected the name of a variable after `set`");
    return evaluator.collect_rest();
  }
  if (!evaluator.take("=")) {
    Frame* frame = open(FrameKind::kSet, "set", tag.span);
    if (frame == nullptr) return;
    frame->name = members.front().empty() && names.size() == 1 ? names.front() : "";
    captures_.emplace_back();
    emitting_ = state_.run != Truth::kNo;
    return;
  }
  const JinjaValue value = evaluator.expressions();
  evaluator.expect_end();
  const auto put = [&](std::size_t i, const JinjaValue& part) {
    if (names[i].empty()) return;
    if (members[i].empty())
      assign_here(names[i], part);
    else
      set_member(names[i], members[i], part);
  };
  if (names.size() == 1) return put(0, value);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool has = value.kind() == JinjaValue::Kind::kList && i < value.items().size();
    put(i, has ? value.items()[i] : JinjaValue());
  }
}

// ---- Blocks ----

/// The body is what caller() gives the macro, so it is read first, and the call is made at its end.
void JinjaWalk::open_call(const JinjaTag& tag, JinjaEvaluator& evaluator) {
  const std::size_t opaque = result_.opaque.size();
  Frame* frame = open(FrameKind::kCall, "call", tag.span);
  if (frame == nullptr) return evaluator.collect_rest();
  frame->tag = &tag;
  frame->opaque = opaque;
  captures_.emplace_back();
  emitting_ = frame->emitting && state_.run != Truth::kNo;
}

void JinjaWalk::end_call(const Frame& frame, std::uint32_t end) {
  JinjaValue body = JinjaValue::rendered(std::move(captures_.back()));
  captures_.pop_back();
  JinjaEvaluator evaluator(state_, text_, frame.tag->tokens);
  evaluator.take_name();
  const bool has_parameters = evaluator.is("(");  // the body is other for each caller(…)
  if (has_parameters) evaluator.skip_parentheses();
  if (has_parameters) silence(result_, frame.opaque);
  evaluator.give_body(has_parameters ? JinjaValue() : std::move(body));
  const JinjaValue value = evaluator.expression();
  evaluator.expect_end();
  // What is not known has its place at the tag; what is stands for the whole block.
  const bool is_known = value.first().is_known();
  if (!is_known || evaluator.is_silent()) silence(result_, frame.opaque);
  emit(value, evaluator, {frame.open.begin, is_known ? end : frame.open.end});
}

void JinjaWalk::open_block(const JinjaTag& tag, JinjaEvaluator& evaluator, const BlockWord& word) {
  JinjaBlock block;
  block.kind = word.kind;
  block.name = evaluator.take_name();
  const std::size_t after = evaluator.at();
  block.span = block.body = {tag.span.begin, tag.span.end};
  block.body.begin = tag.span.end;
  Frame* frame = open(FrameKind::kBlock, word.word, tag.span);
  if (frame == nullptr) return;
  frame->scoped = true;
  ++scopes_;
  const bool is_snapshot = word.kind == JinjaBlock::Kind::kSnapshot;
  if (!is_snapshot) {
    emitting_ = false;
    state_.in_definition = true;
    enter(Truth::kYes, Truth::kYes);
  }
  // Parameters: names that are followed by a comma, a default or the end.
  int depth = 0;
  for (std::size_t i = after; i < tag.tokens.size(); ++i) {
    const std::string_view token = text_of(tag.tokens[i].span, text_);
    if (token == "(" || token == "[" || token == "{") ++depth;
    if (token == ")" || token == "]" || token == "}") --depth;
    const bool begins =
        i > after && (text_of(tag.tokens[i - 1].span, text_) == "(" || text_of(tag.tokens[i - 1].span, text_) == ",");
    if (depth == 1 && begins && tag.tokens[i].kind == JinjaToken::Kind::kName) assign(std::string(token), JinjaValue());
  }
  if (after < tag.tokens.size()) {
    std::uint32_t begin = tag.tokens[after].span.begin, end = tag.tokens.back().span.end;
    if (text_[begin] == '(' && text_[end - 1] == ')' && end - begin >= 2) ++begin, --end;
    block.parameters = text_.substr(begin, end - begin);
  }
  if (state_.is_in_macro()) return;
  if (result_.blocks.size() < kMaxJinjaFacts) {
    state_.block = static_cast<std::int32_t>(result_.blocks.size());
    result_.blocks.push_back(std::move(block));
  } else {
    result_.truncated = true;
  }
}

void JinjaWalk::close(const JinjaTag& tag, FrameKind kind, std::string_view word) {
  if (skipped_ > 0) {
    --skipped_;
    return;
  }
  if (open_[static_cast<std::size_t>(kind)] == 0)
    return state_.problem(tag.span, "`" + std::string(word) + "` ends nothing that is open");
  while (frames_.back().kind != kind) {
    state_.problem(frames_.back().open,
                   "this " + std::string(frames_.back().word) + " has no end before `" + std::string(word) + "`");
    pop(tag.span.begin, tag.span.begin);
  }
  if (frames_.back().loop && next_round(frames_.back())) return;
  pop(tag.span.begin, tag.span.end);
}

void JinjaWalk::pop(std::uint32_t body_end, std::uint32_t end) {
  Frame frame = std::move(frames_.back());
  frames_.pop_back();
  --open_[static_cast<std::size_t>(frame.kind)];
  if (frame.kind == FrameKind::kBlock && state_.block != frame.block) {
    JinjaBlock& block = result_.blocks[static_cast<std::size_t>(state_.block)];
    block.body.end = body_end;
    block.span.end = end;
  }
  if (frame.loop) --rounds_;
  if (frame.mark && captures_.empty()) {
    JinjaElement element;
    element.kind = JinjaElement::Kind::kEnd;
    element.file = {end, end};
    element.opaque = *frame.mark;
    elements_.push_back(std::move(element));
  }
  emitting_ = frame.emitting;
  enter(frame.run, frame.parse);
  state_.block = frame.block;
  state_.in_definition = frame.in_definition;
  if (frame.scoped) {
    --scopes_;
    undo_to(frame.undo);
  }
  if (frame.kind == FrameKind::kSet) {
    std::string text = std::move(captures_.back());
    captures_.pop_back();
    if (!frame.name.empty()) assign_here(frame.name, emitting_ ? JinjaValue::rendered(std::move(text)) : JinjaValue());
  }
  if (frame.kind == FrameKind::kCall) end_call(frame, end);
}

// ---- Macros ----

std::optional<JinjaValue> run_macro(JinjaState& state, const JinjaMacro& macro, std::string_view called,
                                    const std::vector<JinjaArgument>& given, Span span, const JinjaValue* body) {
  // A call costs what its text costs, so that macros that call each other end, whatever they do.
  if (state.gave_up()) return std::nullopt;
  auto caller = state.step(8 + given.size() + macro.tokens) ? state.enter(macro, called, span)
                                                            : std::optional<JinjaState::Caller>();
  if (!caller) {
    state.give_up();
    return std::nullopt;
  }
  const std::size_t opaque = state.result.opaque.size();

  std::vector<JinjaValue> rest;
  std::vector<std::pair<std::string, JinjaValue>> named;
  std::size_t position = 0;
  std::vector<bool> bound(macro.parameters.size(), false);
  for (const JinjaArgument& argument : given) {
    std::size_t at = macro.parameters.size();
    if (argument.keyword.empty())
      at = position++;
    else
      for (std::size_t i = 0; i < macro.parameters.size(); ++i)
        if (macro.parameters[i].name == argument.keyword) at = i;
    if (at < macro.parameters.size()) {
      state.assign(macro.parameters[at].name, argument.value);
      bound[at] = true;
    } else if (argument.keyword.empty()) {
      rest.push_back(argument.value);
    } else {
      named.emplace_back(argument.keyword, argument.value);
    }
  }
  const JinjaTag& tag = (*macro.tags)[macro.begin];
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    if (bound[i]) continue;
    const JinjaParameter& parameter = macro.parameters[i];
    // Undefined prints as nothing.
    JinjaValue value = JinjaValue::text("");
    if (parameter.fallback > 0) value = JinjaEvaluator(state, macro.text, tag.tokens, parameter.fallback).expression();
    state.assign(parameter.name, std::move(value));
  }
  state.assign("varargs", JinjaValue::list(std::move(rest)));
  state.assign("kwargs", JinjaValue::dict(std::move(named)));
  if (body != nullptr) state.assign(std::string(kCallBody), *body);

  const Truth run = state.run, parse = state.parse;
  JinjaValue value = JinjaWalk(state, macro.text, *macro.tags).run(macro);
  state.run = run;
  state.parse = parse;
  const bool is_outermost = caller->is_outermost;
  if (state.leave(std::move(*caller))) return value;
  if (is_outermost) silence(state.result, opaque);
  return std::nullopt;
}

}  // namespace tideline::sql
