#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/suggest.h"
#include "cli/command.h"

namespace cairn::cli {
namespace {

const Option* Find(absl::Span<const Option> options, absl::string_view name) {
  for (const Option& option : options) {
    const bool letter =
        name.size() == 2 && name[0] == '-' && option.letter == name[1] && option.letter != 0;
    if (option.name == name || letter) return &option;
  }
  return nullptr;
}

absl::Status Unknown(absl::Span<const Option> options, absl::string_view name) {
  std::vector<absl::string_view> names;
  for (const Option& option : options) names.push_back(option.name);
  return absl::InvalidArgumentError(
      absl::StrCat("no option '", name, "'", DidYouMean(name, names)));
}

}  // namespace

std::string Arguments::Get(absl::string_view name, absl::string_view fallback) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::string(fallback) : found->second.back();
}

std::vector<std::string> Arguments::All(absl::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

absl::StatusOr<Arguments> ParseArguments(absl::Span<const Option> options,
                                         absl::Span<const char* const> words) {
  Arguments arguments;
  bool only_words = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const absl::string_view word = words[i];
    if (only_words || word.size() < 2 || word[0] != '-') {
      arguments.words_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      only_words = true;
      continue;
    }
    const size_t equals = absl::StartsWith(word, "--") ? word.find('=') : absl::string_view::npos;
    const absl::string_view name = word.substr(0, equals);
    const Option* option = Find(options, name);
    if (option == nullptr) return Unknown(options, name);
    std::string value;
    if (option->value.empty() && equals != absl::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat(name, " takes no value"));
    }
    if (equals != absl::string_view::npos) {
      value = std::string(word.substr(equals + 1));
    } else if (!option->value.empty()) {
      if (i + 1 == words.size()) {
        return absl::InvalidArgumentError(absl::StrCat(name, " needs a value: ", option->value));
      }
      value = words[++i];
    }
    arguments.values_[std::string(option->name)].push_back(std::move(value));
  }
  return arguments;
}

}  // namespace cairn::cli
