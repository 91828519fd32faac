// The schema's life: making the database and its roles, running migrations, and whether a service fits the schema.
// Not the schema itself (sql/).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/connection.h"

namespace mimamori::store {

struct RolePassword {
    std::string role;
    std::string password;
};
// The database roles of bootstrap.sql, each of which gets a password.
std::vector<std::string> database_roles();

// As a superuser connected to any database of the cluster. Can be repeated; true if the database was made now.
Expected<bool> create_database(Connection& superuser, std::string_view database, const std::vector<RolePassword>& passwords);

struct Migration {
    std::string_view name;  // "0001_tenancy"
    std::string_view sql;
};
std::vector<Migration> embedded_migrations();

// As mimamori_owner. Runs what is missing, each in one transaction, and returns their names. Refused if an applied migration's
// text has changed or the database knows more migrations than this program. Waits while another one migrates.
Expected<std::vector<std::string>> migrate(Connection& owner, const std::vector<Migration>& migrations);

// For every service at its start: refused unless the database stands at this program's schema version or the one before.
Expected<void> check_schema_version(Connection& connection);

}  // namespace mimamori::store
