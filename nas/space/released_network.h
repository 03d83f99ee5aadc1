// The JSON format in which ProxylessNAS (ICLR 2019) released its networks: a chain of one
// convolution, blocks, a 1x1 convolution and a linear layer. Read only. Private to nas/space:
// nas/space/architecture_file reads it where it finds one.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "nas/space/network_desc.h"
#include "nas/space/source_value.h"

namespace nasengine {

// Whether the document has the keys by which such a file is known: first_conv and blocks.
bool IsReleasedNetwork(const SourceValue& document);

// The network for images of 224x224, which the format leaves open; WithData() changes it. Layers
// are named as in the built-in networks. Throws kInvalidArgument "origin: place: found ...,
// expected ..." for a layer that nas/space/layer_desc.h cannot express (another layer class,
// groups, dilation, shuffles, biases, other activations) and for channels that do not fit together.
NetworkDesc ReadReleasedNetwork(const SourceValue& document, std::string_view origin);

}  // namespace nasengine
