// The rules that hold for every concrete network, wherever it comes from.
// SPDX-License-Identifier: MIT
#include "nas/space/network_desc.h"

#include <map>
#include <set>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Collects the place of a complaint once instead of in every check.
struct LayerPlace {
  std::string_view origin;
  const LayerDesc& layer;

  template <class... Parts>
  void Expect(bool condition, const Parts&... parts) const {
    if (!condition) {
      Throw(ErrorCode::kInvalidArgument, origin, ": layer '", layer.name, "': ", parts...);
    }
  }
};

bool IsOneOf(int value, std::initializer_list<int> allowed) {
  for (const int candidate : allowed) {
    if (value == candidate) return true;
  }
  return false;
}

void CheckGeometry(const LayerPlace& place) {
  const LayerDesc& layer = place.layer;
  place.Expect(layer.in.h > 0 && layer.in.w > 0 && layer.in.c > 0, "found the input ",
               ToString(layer.in), ", expected sizes of at least 1");
  place.Expect(IsOneOf(layer.stride, {1, 2}), "found stride ", layer.stride, ", expected 1 or 2");
  const bool is_conv = layer.op == LayerOp::kConv || layer.op == LayerOp::kMbconv;
  if (!is_conv) {
    const Size3 expected =
        layer.op == LayerOp::kZero ? layer.in : Size3{1, 1, std::max<int64_t>(layer.out.c, 2)};
    place.Expect(layer.out == expected, "found the output ", ToString(layer.out), ", expected ",
                 ToString(expected));
    place.Expect(layer.kernel == 1 && layer.stride == 1 && layer.expand == 1, "found kernel ",
                 layer.kernel, ", stride ", layer.stride, ", expand ", layer.expand,
                 ", expected 1 for each in a ", Name(layer.op));
    return;
  }
  place.Expect(layer.op == LayerOp::kConv ? IsOneOf(layer.kernel, {1, 3, 5, 7})
                                          : IsOneOf(layer.kernel, {3, 5, 7}),
               "found kernel ", layer.kernel, ", expected ",
               layer.op == LayerOp::kConv ? "1, 3, 5 or 7" : "3, 5 or 7");
  place.Expect(layer.expand >= 1 && (layer.op == LayerOp::kMbconv || layer.expand == 1),
               "found expand ", layer.expand, ", expected ",
               layer.op == LayerOp::kMbconv ? "at least 1" : "1 in a conv");
  place.Expect(layer.out.c > 0, "found ", layer.out.c, " output channels, expected at least 1");
  const Size3 out = OutputSize(layer.in, layer.stride, layer.out.c);
  place.Expect(layer.out == out, "found the output ", ToString(layer.out), ", expected ",
               ToString(out), " after stride ", layer.stride, " on ", ToString(layer.in));
}

}  // namespace

void CheckNetwork(const NetworkDesc& network, std::string_view origin) {
  NAS_CHECK(!network.layers.empty(), origin, ": found no layer, expected at least a classifier");
  std::map<std::string, Size3, std::less<>> outputs{{std::string(kImageInput), network.input}};
  std::set<std::string, std::less<>> unused;
  for (const LayerDesc& layer : network.layers) {
    const LayerPlace place{origin, layer};
    place.Expect(layer.inputs.size() == 1, "found ", layer.inputs.size(),
                 " inputs, expected exactly one");
    const auto input = outputs.find(layer.inputs.front());
    place.Expect(input != outputs.end(), "found the input '", layer.inputs.front(),
                 "', expected the name of an earlier layer");
    place.Expect(layer.in == input->second, "found the input size ", ToString(layer.in),
                 ", expected ", ToString(input->second), ", the output of '", input->first, "'");
    CheckGeometry(place);
    place.Expect(layer.dropout >= 0.0 && layer.dropout < 1.0, "found dropout ", layer.dropout,
                 ", expected at least 0 and less than 1");
    place.Expect(layer.op == LayerOp::kClassifier || layer.dropout == 0.0, "found dropout ",
                 layer.dropout, " in a ", Name(layer.op), ", expected it in the classifier only");
    place.Expect(layer.op == LayerOp::kConv || layer.key_prefix.empty(), "found the key '",
                 layer.key_prefix, "' in a ", Name(layer.op), ", expected it in a conv only");
    place.Expect(layer.op != LayerOp::kClassifier || &layer == &network.layers.back(),
                 "found a classifier before the end, expected it as the last layer");
    place.Expect(outputs.emplace(layer.name, layer.out).second,
                 "found the name a second time, expected every name once");
    unused.erase(layer.inputs.front());
    unused.insert(layer.name);
  }
  const LayerDesc& last = network.layers.back();
  const LayerPlace place{origin, last};
  place.Expect(last.op == LayerOp::kClassifier, "found a ", Name(last.op),
               " at the end, expected the classifier");
  place.Expect(last.out.c == network.classes, "found ", last.out.c, " outputs, expected ",
               network.classes, " classes");
  unused.erase(last.name);
  NAS_CHECK(unused.empty(), origin, ": layer '", *unused.begin(),
            "': found no layer that uses its output, expected one");
}

}  // namespace nasengine
