// Runs one parser (LLVMFuzzerTestOneInput, libFuzzer's own entry point) on its corpus and on random changes of it, in
// the checked build. Not coverage-guided: where libFuzzer is at hand, the same file linked with -fsanitize=fuzzer is.
// An input that fails is written to a file whose name is printed.
//   fuzz_NAME --corpus DIR [--words FILE] [--seconds N] [--seed N]      changes until the time is over
//   fuzz_NAME FILE...                                                   these inputs only
#include <sanitizer/common_interface_defs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t max_input_bytes = 256 << 10;
constexpr unsigned input_limit_s = 10;  // one input that takes longer has failed

std::string failing_file;  // made before anything fails
const std::string* current = nullptr;

void write_failing() {
    if (current != nullptr) {
        std::FILE* out = std::fopen(failing_file.c_str(), "wb");
        if (out != nullptr) {
            std::fwrite(current->data(), 1, current->size(), out);
            std::fclose(out);
            std::fprintf(stderr, "fuzz: the input that fails is in %s (%zu bytes)\n", failing_file.c_str(),
                         current->size());
        }
        current = nullptr;
    }
}

void on_signal(int number) {
    std::fprintf(stderr, "fuzz: %s\n", number == SIGALRM ? "an input took too long" : "the parser gave up");
    write_failing();
    ::_exit(1);
}

void run(const std::string& input) {
    current = &input;
    ::alarm(input_limit_s);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    ::alarm(0);
    current = nullptr;
}

std::string content_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        std::fprintf(stderr, "fuzz: cannot read %s\n", path.c_str());
        std::exit(2);
    }
    return {std::istreambuf_iterator<char>{in}, {}};
}

class Mutator {
  public:
    Mutator(std::uint64_t seed, const std::vector<std::string>& corpus, const std::vector<std::string>& words)
        : random_{seed}, corpus_{corpus}, words_{words} {}

    std::string next() {
        auto text = corpus_[below(corpus_.size())];
        for (auto changes = 1 + below(6); changes > 0; --changes) {
            change(text);
        }
        text.resize(std::min(text.size(), max_input_bytes));
        return text;
    }

  private:
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

    void change(std::string& text) {
        const auto at = below(text.size() + 1);
        switch (below(8)) {
            case 0:
                if (at < text.size())
                    text[at] = static_cast<char>(random_());
                break;
            case 1:
                if (at < text.size())
                    text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^ (1U << below(8)));
                break;
            case 2:
                text.erase(at, 1 + below(30));
                break;
            case 3:
                text.resize(at);
                break;
            case 4:
                text.insert(at, words_[below(words_.size())]);
                break;
            case 5:
                text.insert(at, text.substr(below(text.size() + 1), below(200)));
                break;
            case 6: {
                const auto& other = corpus_[below(corpus_.size())];
                text.replace(at, std::string::npos, other, below(other.size() + 1), std::string::npos);
                break;
            }
            default:
                text.insert(at, below(16) == 0 ? 20'000 : below(40), static_cast<char>(random_()));
                break;
        }
    }

    std::mt19937_64 random_;
    const std::vector<std::string>& corpus_;
    const std::vector<std::string>& words_;
};

}  // namespace

int main(int count, char** arguments) {
    const std::filesystem::path program{arguments[0]};
    std::string folder, word_file;
    std::uint64_t seed = std::random_device{}();
    long seconds = 10;
    std::vector<std::string> files;
    for (int i = 1; i < count; ++i) {
        const std::string argument{arguments[i]};
        const bool has_value = i + 1 < count;
        if (argument == "--corpus" && has_value) {
            folder = arguments[++i];
        } else if (argument == "--words" && has_value) {
            word_file = arguments[++i];
        } else if (argument == "--seconds" && has_value) {
            seconds = std::atol(arguments[++i]);
        } else if (argument == "--seed" && has_value) {
            seed = std::strtoull(arguments[++i], nullptr, 10);
        } else if (argument.starts_with("--")) {
            std::fprintf(stderr, "usage: %s --corpus DIR [--words FILE] [--seconds N] [--seed N] | FILE...\n",
                         arguments[0]);
            return 2;
        } else {
            files.push_back(argument);
        }
    }
    failing_file = std::filesystem::absolute(fmt::format("failing-{}-{}", program.filename().string(), seed)).string();
    __sanitizer_set_death_callback(write_failing);
    for (const int number : {SIGALRM, SIGABRT}) {
        std::signal(number, on_signal);
    }
    for (const auto& file : files) {
        run(content_of(file));
    }
    if (!files.empty()) {
        return 0;
    }
    std::vector<std::string> corpus;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        corpus.push_back(content_of(entry.path()));
    }
    std::sort(corpus.begin(), corpus.end());  // a seed means the same wherever it runs
    if (corpus.empty()) {
        std::fprintf(stderr, "fuzz: %s holds no input\n", folder.c_str());
        return 2;
    }
    for (const auto& input : corpus) {
        run(input);
    }
    std::vector<std::string> words{"\"",
                                   "'",
                                   "\\",
                                   "\n",
                                   " ",
                                   "=",
                                   ",",
                                   ":",
                                   "0",
                                   "-1",
                                   "18446744073709551616",
                                   "\xFF",
                                   "\xE3\x81",
                                   std::string(1, '\0'),
                                   std::string(8, '\0'),
                                   "{",
                                   "}",
                                   "[",
                                   "]"};
    if (!word_file.empty()) {
        std::ifstream in(word_file);
        for (std::string line; std::getline(in, line);) {
            words.push_back(line);
        }
    }
    std::printf("fuzz: %s, seed %llu, %zu inputs\n", program.filename().c_str(), static_cast<unsigned long long>(seed),
                corpus.size());
    std::fflush(stdout);
    Mutator mutator{seed, corpus, words};
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{seconds};
    std::uint64_t runs = 0;
    for (; runs % 16 != 0 || std::chrono::steady_clock::now() < end; ++runs) {
        run(mutator.next());
    }
    std::printf("fuzz: %llu changed inputs\n", static_cast<unsigned long long>(runs));
    return 0;
}
