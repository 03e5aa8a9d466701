// `cairn-collectord console`: a process of its own, with no key but the page's, that reads the
// store and writes only its own directory.
#ifndef CAIRN_COLLECTOR_CONSOLE_RUN_H_
#define CAIRN_COLLECTOR_CONSOLE_RUN_H_

namespace cairn::collector {

// cairn-collectord console|console-token ARGUMENTS. Exit code.
int ConsoleCommand(int argc, char** argv);

}  // namespace cairn::collector

#endif  // CAIRN_COLLECTOR_CONSOLE_RUN_H_
