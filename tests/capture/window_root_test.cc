// A caller that changes a name in the middle of its call, every time (acts_window.cc): what is
// marked `object` is what the kernel acted on; what is read from the caller is marked so.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/capture/event_fixture.h"

namespace cairn::capture {
namespace {

using WindowEvents = Events;

TEST_F(WindowEvents, ANameChangedInTheMiddleOfItsCallFoolsNobody) {
  struct Case {
    const char* act;
    EventType type;
    const char* target;
  };
  for (const Case& want : {Case{"rename-window", FILE_RENAME, "/dir/moved"},
                           Case{"link-window", FILE_LINK, "/dir/hard"}}) {
    SCOPED_TRACE(want.act);
    const std::string old = dir_ + "/old", target = dir_ + want.target;
    if (want.type == FILE_LINK) {
      ASSERT_EQ(rename((dir_ + "/dir/moved").c_str(), old.c_str()), 0);
    }
    const Said said = Do(want.act);
    if (said.ret == -ENOSYS) GTEST_SKIP() << "NOT TESTED: no userfaultfd here";
    ASSERT_EQ(said.ret, 0);
    ASSERT_EQ(access(target.c_str(), F_OK), 0) << "the kernel acted on the names it read";
    const Seen* seen = One(want.type, said.pid);
    ASSERT_NE(seen, nullptr);
    const File& from = seen->record.file();
    const File& to = seen->record.target();
    if (capture_->backend() == "lsm") {
      EXPECT_EQ(from.source(), PATH_OBJECT);
      EXPECT_EQ(from.path(), old);
      EXPECT_EQ(to.source(), PATH_OBJECT);
      EXPECT_EQ(to.path(), target);
    } else {  // the control: a reader of arguments is fooled, and says that it may be
      EXPECT_EQ(from.source(), PATH_ARGUMENT);
      EXPECT_EQ(to.source(), PATH_ARGUMENT);
      EXPECT_TRUE(from.path() == "decoy" || to.path() == "decoy")
          << from.path() << " " << to.path();
    }
  }
}

}  // namespace
}  // namespace cairn::capture
