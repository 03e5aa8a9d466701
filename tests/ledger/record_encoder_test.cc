#include "ledger/record_encoder.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace cairn::ledger {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Sets each field of `message` with a chance of `odds` in 100, from every corner of its range.
void Randomize(Message* message, int odds, std::mt19937* random) {
  const auto* descriptor = message->GetDescriptor();
  const auto* reflection = message->GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->is_repeated() || static_cast<int>((*random)() % 100) >= odds) continue;
    const uint64_t bits = ((uint64_t{(*random)()} << 32) | (*random)()) >> ((*random)() % 64);
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->SetInt32(message, field, static_cast<int32_t>(bits));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(message, field, static_cast<int64_t>(bits));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection->SetUInt32(message, field, static_cast<uint32_t>(bits));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection->SetUInt64(message, field, bits);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(message, field, (bits & 1) != 0);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(message, field, static_cast<int>(bits % 200));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(message, field, std::string(bits % 300, 's'));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Randomize(reflection->MutableMessage(message, field), odds, random);
        break;
      default:
        break;
    }
  }
}

void ExpectSame(Record record) {
  record.clear_time_delta_ns();
  record.clear_process_ref();
  const EncodePlan plan = PlanEncoding(record);
  std::vector<uint8_t> bytes(plan.bound);
  const uint8_t* end = EncodeRecord(record, plan, bytes.data());
  const size_t size = static_cast<size_t>(end - bytes.data());
  ASSERT_LE(size, plan.bound);
  Record parsed;
  ASSERT_TRUE(parsed.ParseFromArray(bytes.data(), static_cast<int>(size)));
  ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(record, parsed))
      << record.ShortDebugString() << "\n"
      << parsed.ShortDebugString();
}

// A field added to Record or File and forgotten in the encoder fails here.
TEST(RecordEncoder, AnyRecordComesBack) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    Record record;
    Randomize(&record, static_cast<int>(random() % 101), &random);
    ExpectSame(record);
    record.clear_target();
    for (const int field : {17, 18, 19, 20, 21, 22, 23}) {
      const auto* hot = record.GetDescriptor()->FindFieldByNumber(field);
      record.GetReflection()->ClearField(&record, hot);
    }
    for (int field = 32; field <= 43; ++field) {
      record.GetReflection()->ClearField(&record, record.GetDescriptor()->FindFieldByNumber(field));
    }
    ExpectSame(record);
  }
}

}  // namespace
}  // namespace cairn::ledger
