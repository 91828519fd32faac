// A certificate authority for tests: P-256 keys, certificates for servers and appliances, with any period of validity.
// Not the fleet's authority.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

namespace mimamori::test {

struct Pem {
    std::string certificate;
    std::string private_key;
    std::string fingerprint;  // SHA-256 of the DER form, 32 bytes
};

struct Validity {
    std::chrono::seconds begins = -std::chrono::hours{1};  // from now
    std::chrono::seconds ends = std::chrono::hours{24};
};

class TestAuthority {
  public:
    explicit TestAuthority(const std::string& name = "mimamori test authority");
    ~TestAuthority();
    TestAuthority(const TestAuthority&) = delete;
    TestAuthority& operator=(const TestAuthority&) = delete;

    const std::string& certificate() const { return certificate_; }  // PEM
    Pem issue_server(Validity validity = {}) const;                  // for localhost, 127.0.0.1 and ::1
    Pem issue_appliance(const std::string& common_name, Validity validity = {}) const;

  private:
    struct Keys;
    Pem issue(const std::string& common_name, bool server, Validity validity) const;
    std::unique_ptr<Keys> keys_;
    std::string certificate_;
};

// A folder of its own, removed with everything in it when the object goes.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::filesystem::path& path() const { return path_; }
    // Writes `text` to a file of this folder, readable by its owner only; returns the path.
    std::string write(const std::string& name, const std::string& text) const;

  private:
    std::filesystem::path path_;
};

}  // namespace mimamori::test
