// The optimiser steps, one pass over a slab. Bodies of ForEachElementOfList.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/for_each_element_of_list.cuh"

namespace nasengine::cuda {

struct SgdBody {
  static constexpr int kVector = 4;

  const float* dw;
  float* w;
  float* v;
  BFloat16* w_bf16;  // null: not wanted
  float lr;
  float momentum;
  float weight_decay;
  bool nesterov;

  template <int V>
  struct Loaded {
    Vector<float, V> dw, w, v;
  };

  bool aligned() const {
    return AlignedFor<kVector>(dw) && AlignedFor<kVector>(w) && AlignedFor<kVector>(v) &&
           AlignedFor<kVector>(w_bf16);
  }

  template <int V>
  __device__ __forceinline__ Loaded<V> Load(std::int64_t i) const {
    Loaded<V> loaded;
    loaded.dw.LoadReadOnly(dw + i);
    loaded.w.Load(w + i);
    loaded.v.Load(v + i);
    return loaded;
  }

  template <int V>
  __device__ __forceinline__ void Finish(std::int64_t i, const Loaded<V>& loaded) const {
    float velocity[V], moved[V];
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float weight = loaded.w.Get(j);
      const float g = fmaf(weight_decay, weight, loaded.dw.Get(j));
      velocity[j] = fmaf(momentum, loaded.v.Get(j), g);
      moved[j] = fmaf(-lr, nesterov ? fmaf(momentum, velocity[j], g) : velocity[j], weight);
    }
    Vector<float, V> result;
    result.Set(velocity);
    result.Store(v + i);
    result.Set(moved);
    result.Store(w + i);
    if (w_bf16 != nullptr) {
      Vector<BFloat16, V> rounded;
      rounded.Set(moved);
      rounded.Store(w_bf16 + i);
    }
  }
};

template <bool kHasMean>
struct AdamBody {
  static constexpr int kVector = 4;

  const float* dw;
  float* w;
  float* m;  // null unless kHasMean
  float* v;
  float beta1;
  float beta2;
  float new_first;   // 1 - beta1
  float new_second;  // 1 - beta2
  float rate;        // lr times the first moment's correction
  float second_correction;
  float epsilon;
  float weight_decay;

  template <int V>
  struct Loaded {
    Vector<float, V> dw, w, m, v;
  };

  bool aligned() const {
    return AlignedFor<kVector>(dw) && AlignedFor<kVector>(w) && AlignedFor<kVector>(v) &&
           AlignedFor<kVector>(m);
  }

  template <int V>
  __device__ __forceinline__ Loaded<V> Load(std::int64_t i) const {
    Loaded<V> loaded;
    loaded.dw.LoadReadOnly(dw + i);
    loaded.w.Load(w + i);
    loaded.m.Clear();
    if constexpr (kHasMean) loaded.m.Load(m + i);
    loaded.v.Load(v + i);
    return loaded;
  }

  template <int V>
  __device__ __forceinline__ void Finish(std::int64_t i, const Loaded<V>& loaded) const {
    float first[V], second[V], moved[V];
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const float weight = loaded.w.Get(j);
      const float g = fmaf(weight_decay, weight, loaded.dw.Get(j));
      first[j] = fmaf(beta1, loaded.m.Get(j), new_first * g);
      second[j] = fmaf(beta2, loaded.v.Get(j), new_second * g * g);
      const float deviation = sqrtf(second[j] * second_correction) + epsilon;
      moved[j] = weight - rate * first[j] / deviation;
    }
    Vector<float, V> result;
    if constexpr (kHasMean) {
      result.Set(first);
      result.Store(m + i);
    }
    result.Set(second);
    result.Store(v + i);
    result.Set(moved);
    result.Store(w + i);
  }
};

}  // namespace nasengine::cuda
