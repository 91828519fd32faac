// Tenants declared in YAML text, for `mimamori admin apply`. Unknown keys and wrong types are refused with their line; what
// the values mean is checked by domain/tenants.h.
//
//   operator:
//     name: みほん商工会議所
//     desks:
//       - effective_from: 2020-04-01            # midnight in Japan, or a full time
//         service_name: {ja: サイバーお助け隊, en: Cyber Rescue Service}
//         centre_name: {ja: ..., en: ...}
//         phone: 0120-000-000
//         hours: {ja: 平日9時から18時, en: ...}
//         mail: desk@example.com
//         mail_hours: {ja: ..., en: ...}
//         portal_url: https://portal.example.com
//   resellers:
//     - name: みほん商工会議所
//       customers:
//         - name: 株式会社みほん製作所
//           contact_name: ご担当者様            # optional, as are language, three_stars_at_once and the lists below
//           recipients:                         # all of them: who is left out gets no further mail; without the key
//           nothing changes
//             - {address: owner@example.com, name: 社長, language: ja}
//             - {address: old@example.com, ends: 2026-05-01}
//           device_names: [{device: "00-00-5E-00-53-17", name: 経理のパソコン}]
//           sites:
//             - name: 本社
//               lan_ranges: [192.168.1.0/24]
//               appliances: [{utm_id: "0000000001", model: みほんUTM}]
#pragma once

#include <string>

#include "base/failure.h"
#include "domain/tenants.h"

namespace mimamori::adapters::tenants_yaml {

base::Expected<domain::Tenants> load(const std::string& yaml);

}  // namespace mimamori::adapters::tenants_yaml
