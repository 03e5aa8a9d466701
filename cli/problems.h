// What is wrong with policy files, as a compiler would show it.
#ifndef CAIRN_CLI_PROBLEMS_H_
#define CAIRN_CLI_PROBLEMS_H_

#include <map>
#include <string>
#include <vector>

#include "policy/source.h"

namespace cairn::cli {

using FileTexts = std::map<std::string, std::string>;  // by the name that problems use

// FILE:LINE:COLUMN: CAUSE, in the order of the files and their lines, each once. For a terminal the
// line itself follows, with a caret below the column and the word there underlined.
std::string ShowProblems(std::vector<policy::Problem> problems, const FileTexts& texts,
                         bool terminal, bool colour, size_t columns);

// The same on stderr. Returns kBadPolicy.
int PrintProblems(const std::vector<policy::Problem>& problems, const FileTexts& texts);

}  // namespace cairn::cli

#endif  // CAIRN_CLI_PROBLEMS_H_
