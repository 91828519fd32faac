// What the statically linked program has in place of shared libraries: fmt, of which Debian has no archive, and
// refusals of what the C library would load at run time. Such parts fit only the C library they were built with, and
// the appliance's may be another one or none: loading them could end the process. Nothing here is missed: names are
// resolved by c-ares, and OpenSSL's providers and the mail charsets are built in. Not part of the dynamically linked
// program.
#include <dlfcn.h>
#include <netdb.h>

#include <cerrno>

#include <fmt/format-inl.h>

template fmt::detail::thousands_sep_result<char> fmt::detail::thousands_sep_impl<char>(fmt::detail::locale_ref);
template char fmt::detail::decimal_point_impl<char>(fmt::detail::locale_ref);
template void fmt::detail::buffer<char>::append(const char*, const char*);

// The linker's --wrap turns each call of X into one of __wrap_X.
extern "C" {
int __wrap_getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**) {
    return EAI_FAIL;
}

hostent* __wrap_gethostbyname(const char*) {
    h_errno = NO_RECOVERY;
    return nullptr;
}

servent* __wrap_getservbyname(const char*, const char*) {
    return nullptr;
}

int __wrap_getservbyport_r(int, const char*, servent*, char*, std::size_t, servent** found) {
    *found = nullptr;
    return ENOENT;
}

void* __wrap_dlopen(const char*, int) {
    return nullptr;
}
}
