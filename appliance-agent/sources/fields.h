// How a value out of a log line becomes a field of a Detection: its bounds and its one text form.
// A text that is too long is cut, never a reason to lose the line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mimamori::agent::sources {

// In bytes of UTF-8.
inline constexpr std::size_t max_name_bytes = 512;  // signature, virus, application, category
inline constexpr std::size_t max_id_bytes = 128;    // threat and virus id, mail date
inline constexpr std::size_t max_host_bytes = 255;
inline constexpr std::size_t max_url_bytes = 2048;
inline constexpr std::size_t max_file_name_bytes = 1024;
inline constexpr std::size_t max_mail_subject_bytes = 1024;
inline constexpr std::size_t max_protocol_bytes = 32;
inline constexpr std::size_t max_raw_bytes = 8 << 10;            // Detection.raw
inline constexpr std::size_t max_rejected_raw_bytes = 64 << 10;  // Rejected.raw

// "192.0.2.1" or RFC 5952; an IPv4-mapped address as IPv4, a zone ("%eth0") left out. Empty if it is no address.
std::string address_text(std::string_view text);

// "00-00-5E-00-53-17" from any of the usual forms. Empty if it is none, all zero, or a group's address.
std::string mac_text(std::string_view text);

// 64 lower-case hex digits, or empty.
std::string sha256_text(std::string_view text);

}  // namespace mimamori::agent::sources
