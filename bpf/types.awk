# enum EventType of record.proto as C: TYPE_GROUP_VERB.
BEGIN { print "/* Generated from proto/record.proto. */\n#pragma once\nenum event_type {" }
/^enum EventType/ { on = 1; next }
on && /^}/ { exit }
on && /^ +[A-Z_]+ = [0-9]+;/ { gsub(";.*", "", $3); print "\tTYPE_" $1 " = " $3 "," }
END { print "};" }
