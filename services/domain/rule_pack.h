// A rule pack as plain data: which signature means what, how severe it is by function and direction, what is mailed,
// and what customers are told. Not its file format (adapters/pack_yaml), not its checks (rule_pack_check.h), not the
// judging (severity.h). Packs are immutable once loaded; a verdict names the version that made it.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "domain/detection.h"

namespace mimamori::domain {

// A cell is one function in one direction: the coordinates of table 3-7.
inline constexpr std::size_t cell_count = function_names.size() * direction_names.size();
constexpr std::size_t cell_of(Function function, Direction direction) {
    return static_cast<std::size_t>(function) * direction_names.size() + static_cast<std::size_t>(direction);
}
constexpr Function function_of_cell(std::size_t cell) {
    return static_cast<Function>(cell / direction_names.size());
}
constexpr Direction direction_of_cell(std::size_t cell) {
    return static_cast<Direction>(cell % direction_names.size());
}
std::string cell_name(std::size_t cell);  // "ips outbound_malicious"

using CellSet = std::bitset<cell_count>;
// Every cell of these functions and directions; an empty list stands for all of its kind. `unspecified` is no function.
CellSet cells(std::span<const Function> functions, std::span<const Direction> directions);
template <class T>
using ByCell = std::array<T, cell_count>;
template <class T>
using BySeverity = std::array<T, severity_names.size()>;

using RuleIndex = std::uint32_t;   // into RulePack::rules; smaller comes first and wins
using ClassIndex = std::uint32_t;  // into RulePack::classes
inline constexpr ClassIndex no_class = UINT32_MAX;

// `line` is the line of the pack's file, from 1, for messages; 0 where there is none.

// What the mail's first line says about acting (section 5 of the service's mail rules).
enum class ActionNeeded : std::uint8_t {
    needed,      // 【対応が必要です】
    not_urgent,  // 【急ぎの対応は不要です】
    none,        // 【対応は不要です】
};
inline constexpr std::array<std::string_view, 3> action_needed_names{"needed", "not_urgent", "none"};

// What customers are told about a class, in one language. Whole sentences, plain text, no mark-up, no links, nothing of
// the detection itself. Japanese uses only characters of ISO-2022-JP.
struct ClassText {
    std::string title;  // for the subject, without a full stop: "ウイルス感染の疑い"
    std::string summary;  // for the first line, after the bracket: "ウイルスに感染している可能性が高い機器があります。"
    std::string explanation;  // 説明
    std::string risk;         // リスク
    // 対処 1. to 3. for a layman, 1 to 3 of them. Where no action is needed: exactly one, the sentence that says so.
    std::vector<std::string> steps;
    std::vector<std::string> further_steps;  // 対処 4., 5.: none to two
    int line = 0;
    // Of title, summary, explanation, risk, risk_let_through if there is one, then of each step and further step; empty:
    // all are on `line`.
    std::vector<int> lines{};
    std::string risk_let_through{};  // リスク of what the appliance did not stop; empty: as of what it did
};

struct SignatureClass {
    std::string id;
    std::string note;  // for the operator: why it is as it is
    ActionNeeded action_needed = ActionNeeded::not_urgent;
    ByCell<std::optional<Severity>> severity{};  // empty: the class does not occur there
    std::string sign;                            // which independent sign a detection is (signs.h); empty: none
    ClassText ja, en;
    int line = 0;
};

struct Example {  // a real name that the rule must decide
    std::string name;
    int line = 0;
};

// A signature's name, or a pattern for names, and the class it belongs to. The first rule of the pack that matches the
// name and has the detection's cell decides.
struct SignatureRule {
    std::string id;
    std::string source;   // where the rule comes from
    std::string pattern;  // the whole name, or a regular expression found anywhere in the name
    bool is_regex = false;
    bool caseless = true;  // ASCII letters only
    CellSet cells;         // where it applies
    std::string class_id;
    std::optional<Severity> severity;   // instead of the class's
    std::vector<Example> examples;      // at least one for a regular expression
    ClassIndex class_index = no_class;  // set by resolve()
    int line = 0;
};

// What a detector's own category says (a Suricata class type, an IPS category), for a signature that no rule decides.
// Compared whole and as it is written. The name stays on the operator's list of unknown signatures.
struct CategoryRule {
    std::string id;
    std::string source;
    std::string category;
    CellSet cells;
    std::string class_id;
    ClassIndex class_index = no_class;  // set by resolve()
    int line = 0;
};

// The class of a detection that neither a rule nor a category decides.
struct DefaultClass {
    std::string class_id;
    std::string note;         // why this is the safe side
    bool lists_names = true;  // false: names are sites or applications, of which there is no end, not signatures
    ClassIndex class_index = no_class;  // set by resolve()
    int line = 0;
};

// What no rule and no class may go beyond.
struct SeverityLimit {
    std::string id;
    std::string source;
    CellSet cells;
    std::string class_id;  // empty: every class
    Severity at_least = Severity::none;
    Severity at_most = Severity::three_stars;
    int line = 0;
};

// Which severities are mailed where. Nothing is mailed that no row names.
struct MailPolicy {
    std::string id;
    std::string source;
    BySeverity<CellSet> mailed{};
    int line = 0;
};

// Several independent signs on one device within a window are as good as one strong sign.
struct SeveralSignsRule {
    bool enabled = false;
    int window_minutes = 0;
    int lateness_minutes = 0;  // how much later than the window a sign may still arrive
    int at_least = 0;          // different signs
    Severity severity = Severity::three_stars;
    std::string class_id;  // of the finding it makes
    std::string note;
    ClassIndex class_index = no_class;  // set by resolve()
    int line = 0;
};

struct RulePack {
    std::string version;
    base::Time effective_from{};
    std::string note;
    std::string mail_policy_id;
    std::vector<MailPolicy> mail_policies;
    std::vector<SeverityLimit> limits;
    ByCell<DefaultClass> defaults{};
    SeveralSignsRule several_signs;
    std::vector<SignatureClass> classes;
    std::vector<SignatureRule> rules;
    std::vector<CategoryRule> categories;  // by category, then as in the file; sorted by resolve()
    std::size_t mail_policy = SIZE_MAX;    // into mail_policies, set by resolve(); SIZE_MAX: there is none of that id
    int line = 0;

    const SignatureClass* class_named(std::string_view id) const;
};

// Sorts the categories and sets the indexes that stand for ids. What names nothing keeps no_class (SIZE_MAX for the
// policy): a defect that check_rule_pack reports.
void resolve(RulePack& pack);

// Receive time picks the version: the newest effective date that has come, of equal ones the later loaded (higher id).
struct PackVersion {
    std::int64_t id = 0;
    base::Time effective_from{};
};
// Position in `versions`, which may be in any order; empty if none was in force yet.
std::optional<std::size_t> version_in_force(std::span<const PackVersion> versions, base::Time received_at);

}  // namespace mimamori::domain
