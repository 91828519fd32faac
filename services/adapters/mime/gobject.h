// GMime objects are reference-counted C objects; this gives each its owner.
#pragma once

#include <gmime/gmime.h>

#include <memory>

namespace mimamori::adapters::mime {

struct Unref {
    void operator()(void* object) const { g_object_unref(object); }
};
template <class T>
using Owned = std::unique_ptr<T, Unref>;

// Once a process, before anything else of GMime.
void init_gmime();

}  // namespace mimamori::adapters::mime
