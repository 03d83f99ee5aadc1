// Which of several registered implementations serves: the context's policy, what declines, and why
// none is left.
// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_registry.h"

#include <gtest/gtest.h>

namespace nasengine {
namespace {

// Writes nothing; whoever runs leaves a trace.
struct Traced {
  static constexpr const char* kName = "traced";
  struct Args {
    std::string* trace = nullptr;
    std::int64_t rows = 1;
    bool vendor_declines = false;
  };
  static std::vector<View*> Outputs(Args&) { return {}; }
  static double ErrorScale(const Args&, int) { return 0; }
  static KernelShape ShapeOf(const Args& args) { return {.rows = args.rows}; }
};

struct Shapeless : Traced {
  static constexpr const char* kName = "shapeless";
  static KernelShape ShapeOf(const Args& args) = delete;
};

template <class Op>
void RegisterAll(KernelRegistry& registry) {
  for (Impl impl : {Impl::kReference, Impl::kVendor, Impl::kOurs}) {
    KernelEntry<Op> entry;
    entry.impl = impl;
    entry.name = Name(impl);
    entry.run = [impl](Context&, const typename Op::Args& args) {
      *args.trace += StrCat(Name(impl), " ");
    };
    if (impl == Impl::kVendor) {
      entry.declines = [](Context&, const typename Op::Args& args) {
        return std::string(args.vendor_declines ? "not today" : "");
      };
    }
    registry.Register(std::move(entry));
  }
}

class KernelRegistryTest : public ::testing::Test {
 protected:
  KernelRegistryTest() : backend_(MakeCpuBackend()), allocator_(*backend_) {
    RegisterAll<Traced>(registry_);
    RegisterAll<Shapeless>(registry_);
  }
  std::unique_ptr<Context> ContextWith(KernelPolicy policy) {
    return std::make_unique<Context>(*backend_, allocator_, registry_, std::move(policy), 1);
  }
  // The vendor's first for 1000 rows, ours for 1.
  static KernelPolicy Measured() {
    KernelPolicyTable table;
    table.rows = {{.op = "traced", .shape = {.rows = 1}, .order = {Impl::kOurs, Impl::kVendor}},
                  {.op = "traced", .shape = {.rows = 1000}, .order = {Impl::kVendor, Impl::kOurs}}};
    return KernelPolicy(std::move(table));
  }
  template <class Op>
  std::string Served(Context& context, std::int64_t rows, bool vendor_declines = false) {
    std::string trace;
    Dispatch<Op>(context, {&trace, rows, vendor_declines});
    return trace;
  }

  std::unique_ptr<DeviceBackend> backend_;
  CachingAllocator allocator_;
  KernelRegistry registry_;
};

TEST_F(KernelRegistryTest, TheShapeDecidesWhoServes) {
  const auto context = ContextWith(Measured());
  EXPECT_EQ(Served<Traced>(*context, 1), "ours ");
  EXPECT_EQ(Served<Traced>(*context, 1000), "vendor ");
  EXPECT_EQ(Served<Traced>(*context, 2), "ours ");
  EXPECT_EQ(Served<Traced>(*context, 500), "vendor ");
  EXPECT_EQ(Served<Shapeless>(*context, 1000), "ours ");
}

TEST_F(KernelRegistryTest, AGivenOrderOverridesWhatWasMeasured) {
  const auto context = ContextWith(KernelPolicy::Parse("reference,vendor"));
  EXPECT_EQ(Served<Traced>(*context, 1000), "reference ");
}

TEST_F(KernelRegistryTest, TheNextServesWhereTheFirstDeclines) {
  const auto context = ContextWith(Measured());
  EXPECT_EQ(Served<Traced>(*context, 1000, true), "ours ");
  EXPECT_EQ(ChoiceFor<Traced>(*context, {.rows = 1000}).served, Impl::kOurs);
  EXPECT_EQ(Served<Traced>(*context, 1000), "vendor ");
  EXPECT_EQ(ChoiceFor<Traced>(*context, {.rows = 1000}).served, Impl::kVendor);
}

TEST_F(KernelRegistryTest, SaysWhyNoneServes) {
  const auto context = ContextWith(KernelPolicy::Parse("vendor"));
  try {
    Served<Traced>(*context, 1, true);
    FAIL() << "served";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(error.what(),
                 "traced: no implementation takes these arguments; reference is left out by the "
                 "policy; vendor: not today; ours is left out by the policy");
  }
}

TEST_F(KernelRegistryTest, SiblingsShareTheirChoices) {
  const auto context = ContextWith(Measured());
  const auto sibling = context->Sibling(allocator_, registry_);
  Served<Traced>(*sibling, 1000);
  const KernelChoices::Map& made = context->State<KernelChoices>().made();
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made.begin()->first.shape, KernelShape{.rows = 1000});
  EXPECT_EQ(made.begin()->second.served, Impl::kVendor);
}

TEST_F(KernelRegistryTest, KnowsWhatItHas) {
  KernelRegistry registry;
  KernelEntry<Traced> entry;
  entry.impl = Impl::kOurs;
  entry.name = "one";
  registry.Register(std::move(entry));
  EXPECT_TRUE(registry.Has("traced", Impl::kOurs));
  EXPECT_FALSE(registry.Has("traced", Impl::kVendor));
  EXPECT_FALSE(registry.Has("shapeless", Impl::kOurs));
}

}  // namespace
}  // namespace nasengine
