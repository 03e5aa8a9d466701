#include "base/yaml_tree.h"

#include <yaml.h>

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace cairn {
namespace {

// Length of the UTF-8 sequence that `text` begins with; 0 when it is none (RFC 3629 §4).
size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F)) return 0;
  if ((first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) return 0;
  return length;
}

// What must not stand in a file: controls (C0 but tab and newline, DEL, C1), the line breaks
// only YAML 1.1 knows, and direction marks that make a file look other than it is.
bool Forbidden(absl::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) {
    return (first < 0x20 && first != '\t' && first != '\n' && first != '\r') || first == 0x7F;
  }
  if (sequence.size() == 2) return first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
  if (sequence.substr(0, 2) == "\xE2\x80") {
    const auto last = static_cast<unsigned char>(sequence[2]);
    return (last >= 0xA8 && last <= 0xAE) || last == 0x8E || last == 0x8F;
  }
  if (sequence.substr(0, 2) == "\xE2\x81") {
    const auto last = static_cast<unsigned char>(sequence[2]);
    return last >= 0xA6 && last <= 0xA9;
  }
  return sequence == "\xEF\xBB\xBF";
}

bool CheckCharacters(absl::string_view text, std::vector<YamlError>* errors) {
  YamlPlace place{1, 1};
  for (size_t at = 0; at < text.size();) {
    const size_t length = SequenceLength(text.substr(at));
    if (length == 0) {
      errors->push_back({place.line, place.column, "not UTF-8"});
      return false;
    }
    if (Forbidden(text.substr(at, length))) {
      errors->push_back({place.line, place.column, "a control character or direction mark"});
      return false;
    }
    if (text[at] == '\n') {
      place = {place.line + 1, 1};
    } else {
      ++place.column;
    }
    at += length;
  }
  return true;
}

// Builds the tree from libyaml's events; depth is bounded before it recurses.
class TreeReader {
 public:
  TreeReader(absl::string_view text, const YamlLimits& limits, std::vector<YamlError>* errors)
      : limits_(limits), errors_(errors) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~TreeReader() {
    yaml_event_delete(&event_);
    yaml_parser_delete(&parser_);
  }

  bool Document(YamlTree* root) {
    if (!Advance() || !Advance()) return false;  // to the stream start, to what follows
    if (event_.type == YAML_STREAM_END_EVENT) return Fail({1, 1}, "the file is empty");
    if (event_.data.document_start.version_directive != nullptr ||
        event_.data.document_start.tag_directives.start !=
            event_.data.document_start.tag_directives.end) {
      return Fail(Place(), "directives (%YAML, %TAG) are not accepted");
    }
    if (!Advance() || !Node(0, root)) return false;
    if (root->kind == YamlTree::Kind::kScalar && root->text.empty() && !root->quoted) {
      return Fail({1, 1}, "the file is empty");
    }
    if (!Advance() || !Advance()) return false;  // to the document end, to what follows
    if (event_.type != YAML_STREAM_END_EVENT) return Fail(Place(), "a second document");
    return true;
  }

 private:
  YamlPlace Place() const {
    return {static_cast<int>(event_.start_mark.line) + 1,
            static_cast<int>(event_.start_mark.column) + 1};
  }

  bool Fail(YamlPlace place, std::string cause) {
    errors_->push_back({place.line, place.column, std::move(cause)});
    return false;
  }

  bool Advance() {
    yaml_event_delete(&event_);
    if (yaml_parser_parse(&parser_, &event_)) return true;
    std::string cause = parser_.problem == nullptr ? "not YAML" : parser_.problem;
    if (parser_.context != nullptr) absl::StrAppend(&cause, " (", parser_.context, ")");
    return Fail({static_cast<int>(parser_.problem_mark.line) + 1,
                 static_cast<int>(parser_.problem_mark.column) + 1},
                std::move(cause));
  }

  // The node whose first event is the current one; leaves its last event current.
  bool Node(int depth, YamlTree* out) {
    out->place = Place();
    if (depth > limits_.max_depth) {
      return Fail(out->place, absl::StrCat("nested deeper than ", limits_.max_depth));
    }
    if (++nodes_ > limits_.max_nodes) {
      return Fail(out->place, absl::StrCat("more than ", limits_.max_nodes, " values"));
    }
    switch (event_.type) {
      case YAML_SCALAR_EVENT:
        return Scalar(out);
      case YAML_SEQUENCE_START_EVENT:
        return List(depth, out);
      case YAML_MAPPING_START_EVENT:
        return Map(depth, out);
      case YAML_ALIAS_EVENT:
        return Fail(out->place, "aliases (*name) are not accepted");
      default:
        return Fail(out->place, "unexpected YAML event");
    }
  }

  bool Plain(const unsigned char* anchor, const unsigned char* tag) {
    if (anchor != nullptr) return Fail(Place(), "anchors (&name) are not accepted");
    if (tag != nullptr) return Fail(Place(), "tags (!name) are not accepted");
    return true;
  }

  bool Scalar(YamlTree* out) {
    const auto& scalar = event_.data.scalar;
    if (!Plain(scalar.anchor, scalar.tag)) return false;
    out->kind = YamlTree::Kind::kScalar;
    out->text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    out->quoted = scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (out->text.find('\0') != std::string::npos) return Fail(out->place, "a NUL character");
    return true;
  }

  bool List(int depth, YamlTree* out) {
    if (!Plain(event_.data.sequence_start.anchor, event_.data.sequence_start.tag)) return false;
    out->kind = YamlTree::Kind::kList;
    for (;;) {
      if (!Advance()) return false;
      if (event_.type == YAML_SEQUENCE_END_EVENT) return true;
      if (!Node(depth + 1, &out->values.emplace_back())) return false;
    }
  }

  bool Map(int depth, YamlTree* out) {
    if (!Plain(event_.data.mapping_start.anchor, event_.data.mapping_start.tag)) return false;
    out->kind = YamlTree::Kind::kMap;
    absl::flat_hash_map<std::string, int> seen;
    for (;;) {
      if (!Advance()) return false;
      if (event_.type == YAML_MAPPING_END_EVENT) return true;
      if (event_.type != YAML_SCALAR_EVENT && event_.type != YAML_ALIAS_EVENT) {
        return Fail(Place(), "a key must be a plain word");
      }
      YamlTree& key = out->keys.emplace_back();
      if (!Node(depth + 1, &key)) return false;
      const auto [found, is_new] = seen.try_emplace(key.text, key.place.line);
      if (!is_new) {
        return Fail(key.place,
                    absl::StrCat("duplicate key '", key.text, "', first on line ", found->second));
      }
      if (!Advance() || !Node(depth + 1, &out->values.emplace_back())) return false;
    }
  }

  const YamlLimits& limits_;
  std::vector<YamlError>* const errors_;
  yaml_parser_t parser_;
  yaml_event_t event_{};
  size_t nodes_ = 0;
};

}  // namespace

bool ReadYamlTree(absl::string_view text, const YamlLimits& limits, YamlTree* root,
                  std::vector<YamlError>* errors) {
  if (text.size() > limits.max_bytes) {
    errors->push_back(
        {1, 1,
         absl::StrCat("longer than ", limits.max_bytes, " bytes, the most this file may have")});
    return false;
  }
  if (!CheckCharacters(text, errors)) return false;
  return TreeReader(text, limits, errors).Document(root);
}

}  // namespace cairn
