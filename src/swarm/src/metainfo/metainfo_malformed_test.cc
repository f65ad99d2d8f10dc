// Goal: whatever is wrong with a .torrent, it is refused with the field and the value in the
// message. Method: one table of what is wrong by class, each case a valid torrent with one thing
// changed.
#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>

#include "mutirao/swarm/merkle.h"
#include "mutirao/swarm/metainfo.h"

#include "metainfo/bencode_sample.h"

namespace mutirao::swarm {
namespace {

using namespace sample;

struct Case {
  std::string name;
  std::string torrent;
  std::string what;
};

std::string const kRoot(32, 'r');

Dict v1() {
  return {{"length", I(20000)},
          {"name", S("disk.img")},
          {"piece length", I(16384)},
          {"pieces", S(std::string(40, 'p'))}};
}

std::string file(long long length, std::vector<std::string> const& path, Dict extra = {}) {
  std::vector<std::string> names;
  for (auto const& name : path) names.push_back(S(name));
  extra.insert({{"length", I(length)}, {"path", L(names)}});
  return D(extra);
}

Dict v1_files(std::vector<std::string> const& files, std::size_t pieces = 2) {
  return {{"files", L(files)},
          {"name", S("folder")},
          {"piece length", I(16384)},
          {"pieces", S(std::string(20 * pieces, 'p'))}};
}

std::string leaf(Dict const& properties) { return D({{"", D(properties)}}); }
std::string leaf(long long length) {
  return leaf({{"length", I(length)}, {"pieces root", S(kRoot)}});
}

Dict v2(Dict const& tree) {
  return {{"file tree", D(tree)},
          {"meta version", I(2)},
          {"name", S("folder")},
          {"piece length", I(16384)}};
}

/// Two files that share no piece, with the padding between.
Dict hybrid() {
  Dict info = v2({{"a", leaf(1000)}, {"b", leaf(2000)}});
  info["files"] =
      L({file(1000, {"a"}), file(15384, {".pad", "15384"}, {{"attr", S("p")}}), file(2000, {"b"})});
  info["pieces"] = S(std::string(40, 'p'));
  return info;
}
Dict hybrid(std::vector<std::string> const& files) { return with(hybrid(), "files", L(files)); }

/// A file of three pieces, and the layer that leads to its root.
struct Layered {
  std::vector<Sha256Digest> layer{Sha256Digest{1}, Sha256Digest{2}, Sha256Digest{3}};
  std::string root{base::text_of(merkle_root_of_leaves(layer))};
  Dict info = v2({{"a", leaf({{"length", I(40000)}, {"pieces root", S(root)}})}});
  std::string encoded = [this] {
    std::string out;
    for (auto const& digest : layer) out += base::text_of(digest);
    return out;
  }();
  [[nodiscard]] std::string with_layers(std::string const& layers) const {
    return torrent(info, {{"piece layers", layers}});
  }
};

std::vector<Case> not_a_torrent() {
  return {
      {"a_list", "le", "the .torrent is not a dictionary"},
      {"a_number", "i1e", "the .torrent is not a dictionary"},
      {"no_info", "de", "'info' is missing"},
      {"info_is_a_string", D({{"info", S("x")}}), "'info' is not a dictionary"},
      {"info_is_empty", torrent({}), "neither 'pieces' nor 'meta version' is present"},
  };
}

std::vector<Case> names() {
  auto const named = [](std::string const& name) { return torrent(with(v1(), "name", S(name))); };
  return {
      {"no_name", torrent(with(v1(), "name", "")), "'name' is missing"},
      {"name_is_a_number", torrent(with(v1(), "name", I(1))), "'name' is not a string"},
      {"name_is_empty", named(""), "'name': the name '' is empty"},
      {"name_is_dot", named("."), "'name': the name '.' would leave its folder"},
      {"name_is_dot_dot", named(".."), "'name': the name '..' would leave its folder"},
      {"name_is_absolute", named("/etc/passwd"),
       "'name': the name '/etc/passwd' has a separator at byte 0"},
      {"name_with_backslash", named("a\\b"),
       "'name': the name 'a\\x5cb' has a separator at byte 1"},
      {"name_with_nul", named(std::string("a\0b", 3)),
       "'name': the name 'a\\x00b' has the control character 0x00 at byte 1"},
      {"name_with_escape", named("a\x1b[31m"),
       "'name': the name 'a\\x1b[31m' has the control character 0x1b at byte 1"},
      {"name_too_long", named(std::string(256, 'n')),
       "'name': the name '" + std::string(80, 'n') + "...' has 256 bytes; names have at most 255"},
      {"name_is_not_utf8", named("ab\xff"), "'name': the name 'ab\\xff' is not UTF-8 at byte 2"},
      {"name_with_overlong_slash", named("a\xc0\xaf"),
       "'name': the name 'a\\xc0\\xaf' is not UTF-8 at byte 1"},
  };
}

std::vector<Case> pieces() {
  auto const piece_length = [](long long length) {
    return torrent(with(v1(), "piece length", I(length)));
  };
  return {
      {"no_piece_length", torrent(with(v1(), "piece length", "")), "'piece length' is missing"},
      {"piece_length_is_a_string", torrent(with(v1(), "piece length", S("16384"))),
       "'piece length' is not an integer"},
      {"piece_length_0", piece_length(0), "'piece length' is 0; it must be positive"},
      {"piece_length_negative", piece_length(-16384),
       "'piece length' is -16384; it must be positive"},
      {"piece_length_huge", piece_length(1LL << 40),
       "'piece length' is 1099511627776; at most 268435456 bytes are accepted"},
      {"pieces_is_a_number", torrent(with(v1(), "pieces", I(1))), "'pieces' is not a string"},
      {"pieces_cut", torrent(with(v1(), "pieces", S(std::string(39, 'p')))),
       "'pieces' has 39 bytes, which is not a multiple of 20"},
      {"pieces_too_few", torrent(with(v1(), "pieces", S(std::string(20, 'p')))),
       "'pieces' has 1 hashes; 20000 bytes in pieces of 16384 need 2"},
      {"pieces_too_many", torrent(with(v1(), "pieces", S(std::string(60, 'p')))),
       "'pieces' has 3 hashes; 20000 bytes in pieces of 16384 need 2"},
      {"pieces_empty", torrent(with(v1(), "pieces", S(""))),
       "'pieces' has 0 hashes; 20000 bytes in pieces of 16384 need 2"},
      {"pieces_beyond_limit",
       torrent(with(with(v1(), "length", I(1LL << 40)), "piece length", I(1))),
       "1099511627776 bytes in pieces of 1 make 1099511627776 pieces; at most 2000000 are "
       "accepted"},
  };
}

std::vector<Case> lengths() {
  auto const length = [](std::string const& value) { return torrent(with(v1(), "length", value)); };
  long long const largest = 9223372036854775807LL;
  return {
      {"length_negative", length(I(-1)), "'length' is -1; a file is never shorter than 0 bytes"},
      {"length_is_a_string", length(S("1")), "'length' is not an integer"},
      {"length_2_63", length(I(largest)),
       "'length' is 9223372036854775807; at most 1125899906842624 bytes are accepted"},
      {"length_0", torrent(with(with(v1(), "length", I(0)), "pieces", S(""))),
       "the files are all empty: there is nothing to transfer"},
      {"no_length_no_files", length(""), "neither 'length' nor 'files' is present"},
      {"length_and_files", torrent(with(v1_files({file(20000, {"a"})}), "length", I(20000))),
       "both 'length' and 'files' are present"},
      {"file_length_negative", torrent(v1_files({file(20000, {"a"}), file(-1, {"b"})})),
       "'files[1].length' is -1; a file is never shorter than 0 bytes"},
      {"file_without_length", torrent(v1_files({D({{"path", L({S("a")})}})})),
       "'files[0].length' is missing"},
      {"lengths_add_up_beyond_limit", torrent(v1_files({file(1LL << 50, {"a"}), file(1, {"b"})})),
       "the files add up to more than 1125899906842624 bytes"},
      {"lengths_overflow",
       torrent(v1_files({file(largest, {"a"}), file(largest, {"b"}), file(2, {"c"})})),
       "'files[0].length' is 9223372036854775807; at most 1125899906842624 bytes are accepted"},
  };
}

std::vector<Case> v1_paths() {
  auto const path = [](std::vector<std::string> const& names) {
    return torrent(v1_files({file(20000, names)}));
  };
  return {
      {"files_is_a_dictionary", torrent(with(v1_files({}), "files", "de")),
       "'files' is not a list"},
      {"files_is_empty", torrent(v1_files({})), "'files' is empty"},
      {"file_is_a_number", torrent(v1_files({I(1)})), "'files[0]' is not a dictionary"},
      {"no_path", torrent(v1_files({D({{"length", I(20000)}})})), "'files[0].path' is missing"},
      {"path_is_a_string", torrent(v1_files({D({{"length", I(20000)}, {"path", S("a")}})})),
       "'files[0].path' is not a list"},
      {"path_is_empty", path({}), "'files[0].path' is empty"},
      {"path_holds_a_number", torrent(v1_files({D({{"length", I(20000)}, {"path", L({I(1)})}})})),
       "'files[0].path' holds something that is not a string"},
      {"path_climbs", path({"..", "..", "etc", "passwd"}),
       "'files[0].path': the name '..' would leave its folder"},
      {"path_holds_an_empty_name", path({"a", "", "b"}), "'files[0].path': the name '' is empty"},
      {"path_holds_a_slash", path({"a/../../b"}),
       "'files[0].path': the name 'a/../../b' has a separator at byte 1"},
      {"path_too_deep", path(std::vector<std::string>(65, "d")),
       "'files[0].path': the path is 65 folders deep; at most 64 are accepted"},
      {"path_too_long", path(std::vector<std::string>(20, std::string(250, 'd'))),
       "'files[0].path': the path has 5026 bytes; at most 4096 are accepted"},
      {"two_files_one_path", torrent(v1_files({file(10000, {"a"}), file(10000, {"a"})})),
       "two files have the path 'folder/a'"},
      {"paths_differ_by_case",
       torrent(v1_files({file(10000, {"Read.me"}), file(10000, {"README"}), file(0, {"read.ME"})})),
       "the paths 'folder/Read.me' and 'folder/read.ME' differ only by case"},
      {"file_is_also_a_folder", torrent(v1_files({file(10000, {"a", "b"}), file(10000, {"a"})})),
       "'folder/a' is a file, and also a folder of 'folder/a/b'"},
  };
}

std::vector<Case> attributes() {
  auto const link = [](Dict const& extra) {
    return torrent(v1_files({file(20000, {"a"}), file(0, {"l"}, extra)}));
  };
  return {
      {"attr_is_a_number", torrent(v1_files({file(20000, {"a"}, {{"attr", I(1)}})})),
       "'files[0].attr' is not a string"},
      {"all_is_padding", torrent(v1_files({file(20000, {"a"}, {{"attr", S("p")}})})),
       "the files are all empty: there is nothing to transfer"},
      {"only_file_is_padding", torrent(with(v1(), "attr", S("p"))),
       "'attr' makes the only file padding"},
      {"only_file_is_a_link", torrent(with(v1(), "attr", S("l"))),
       "'attr' makes the only file a symbolic link"},
      {"link_without_target", link({{"attr", S("l")}}), "'files[1].symlink path' is missing"},
      {"link_climbs", link({{"attr", S("l")}, {"symlink path", L({S(".."), S("x")})}}),
       "'files[1].symlink path': the name '..' would leave its folder"},
      {"link_with_length",
       torrent(v1_files({file(20000, {"l"}, {{"attr", S("l")}, {"symlink path", L({S("x")})}})})),
       "'files[0].length' is 20000; a symbolic link has none"},
  };
}

std::vector<Case> v2_fields() {
  auto const tree = [](Dict const& nodes) { return torrent(v2(nodes)); };
  auto const ok = v2({{"a", leaf(1000)}});
  std::string deep = leaf(1000);
  for (int i = 0; i < 66; ++i) deep = D({{"d", deep}});
  return {
      {"meta_version_3", torrent(with(ok, "meta version", I(3))),
       "'meta version' is 3, newer than what is understood (2)"},
      {"meta_version_1", torrent(with(ok, "meta version", I(1))),
       "'meta version' is 1, which no version of the protocol uses"},
      {"meta_version_is_a_string", torrent(with(ok, "meta version", S("2"))),
       "'meta version' is not an integer"},
      {"no_meta_version", torrent(with(ok, "meta version", "")),
       "'file tree' is present without 'meta version'"},
      {"no_file_tree", torrent(with(ok, "file tree", "")), "'file tree' is missing"},
      {"v2_piece_length_not_a_power", torrent(with(ok, "piece length", I(24576))),
       "'piece length' is 24576; v2 needs a power of two of at least 16384"},
      {"v2_piece_length_small", torrent(with(ok, "piece length", I(8192))),
       "'piece length' is 8192; v2 needs a power of two of at least 16384"},
      {"tree_is_a_list", torrent(with(ok, "file tree", "le")), "'file tree' is not a dictionary"},
      {"tree_is_empty", tree({}), "'file tree' is empty"},
      {"tree_is_a_file", torrent(with(ok, "file tree", leaf(1000))),
       "'file tree' is itself a file"},
      {"tree_climbs", tree({{"..", leaf(1000)}}),
       "file tree: the name '..' would leave its folder"},
      {"tree_folder_climbs", tree({{"..", D({{"a", leaf(1000)}})}}),
       "file tree: the name '..' would leave its folder"},
      {"tree_node_is_a_number", tree({{"a", I(1)}}), "file tree: 'a' is not a dictionary"},
      {"tree_folder_is_empty", tree({{"a", "de"}}),
       "file tree: 'a' is neither a file nor a folder with files"},
      {"tree_properties_are_a_list", tree({{"a", D({{"", "le"}})}}),
       "file tree: 'a': the properties are not a dictionary"},
      {"tree_file_and_folder", tree({{"a", D({{"", D({{"length", I(1)}})}, {"b", leaf(1)}})}}),
       "file tree: 'a' is both a file and a folder"},
      {"tree_too_deep", tree({{"d", deep}}), "file tree: 'd' is more than 64 folders deep"},
      {"tree_file_without_length", tree({{"a", leaf({{"pieces root", S(kRoot)}})}}),
       "'file tree: 'a'.length' is missing"},
      {"tree_length_negative", tree({{"a", leaf(-5)}}),
       "'file tree: 'a'.length' is -5; a file is never shorter than 0 bytes"},
      {"tree_file_without_root", tree({{"a", leaf({{"length", I(5)}})}}),
       "'file tree: 'a'.pieces root' is missing"},
      {"tree_root_cut", tree({{"a", leaf({{"length", I(5)}, {"pieces root", S("short")}})}}),
       "'file tree: 'a'.pieces root' has 5 bytes instead of 32"},
      {"tree_holds_padding",
       tree({{"a", leaf({{"attr", S("p")}, {"length", I(5)}, {"pieces root", S(kRoot)}})}}),
       "file tree: 'a' is padding, which a file tree never holds"},
      {"tree_paths_differ_by_case", tree({{"A", leaf(5)}, {"a", leaf(6)}}),
       "the paths 'folder/A' and 'folder/a' differ only by case"},
      {"tree_all_empty", tree({{"a", leaf({{"length", I(0)}})}}),
       "the files are all empty: there is nothing to transfer"},
  };
}

std::vector<Case> layers() {
  Layered const good;
  std::string wrong = good.encoded;
  wrong.back() = static_cast<char>(wrong.back() ^ 1);
  std::string const path = "'folder/a'";
  auto twice = v2({{"a", leaf({{"length", I(40000)}, {"pieces root", S(good.root)}})},
                   {"b", leaf({{"length", I(400000)}, {"pieces root", S(good.root)}})}});
  return {
      {"no_layers", torrent(good.info), "the piece layer of " + path + " is missing"},
      {"layers_are_a_list", good.with_layers("le"), "'piece layers' is not a dictionary"},
      {"layer_is_a_number", good.with_layers(D({{good.root, I(1)}})),
       "'piece layers' holds something that is not a string"},
      {"layer_of_another_root", good.with_layers(D({{kRoot, S(good.encoded)}})),
       "the piece layer of " + path + " is missing"},
      {"layer_cut", good.with_layers(D({{good.root, S(good.encoded.substr(1))}})),
       "the piece layer of " + path + " has 95 bytes, which is not a multiple of 32"},
      {"layer_too_short", good.with_layers(D({{good.root, S(good.encoded.substr(32))}})),
       "the piece layer of " + path + " has 2 hashes; 40000 bytes in pieces of 16384 need 3"},
      {"layer_wrong", good.with_layers(D({{good.root, S(wrong)}})),
       "the piece layer of " + path + " does not lead to its root"},
      {"layer_shared_by_unequal_files",
       torrent(twice, {{"piece layers", D({{good.root, S(good.encoded)}})}}),
       "the piece layer of 'folder/b' has 3 hashes; 400000 bytes in pieces of 16384 need 25"},
  };
}

std::vector<Case> hybrids() {
  std::string const pad = file(15384, {".pad", "15384"}, {{"attr", S("p")}});
  return {
      {"hybrid_other_name", torrent(hybrid({file(1000, {"a"}), pad, file(2000, {"c"})})),
       "v1 lists 'folder/c' where v2 lists 'folder/b'"},
      {"hybrid_other_length", torrent(hybrid({file(1000, {"a"}), pad, file(2001, {"b"})})),
       "'folder/b' has 2001 bytes in v1 and 2000 in v2"},
      {"hybrid_other_order", torrent(hybrid({file(2000, {"b"}), pad, file(1000, {"a"})})),
       "v1 lists 'folder/b' where v2 lists 'folder/a'"},
      {"hybrid_without_padding", torrent(hybrid({file(1000, {"a"}), file(2000, {"b"})})),
       "'folder/b' begins at byte 1000 in v1 and at 16384 in v2"},
      {"hybrid_padding_too_long", torrent(hybrid({file(1000, {"a"}), pad, pad, file(2000, {"b"})})),
       "'folder/b' begins at byte 31768 in v1 and at 16384 in v2"},
      {"hybrid_file_missing_in_v1", torrent(hybrid({file(1000, {"a"}), pad})),
       "'folder/b' is listed in v2 and not in v1"},
      {"hybrid_file_missing_in_v2",
       torrent(hybrid({file(1000, {"a"}), pad, file(2000, {"b"}), file(1, {"c"})})),
       "'folder/c' is listed in v1 and not in v2"},
      {"hybrid_padding_behind_the_end",
       torrent(hybrid(
           {file(1000, {"a"}), pad, file(2000, {"b"}), file(20000, {"x"}, {{"attr", S("p")}})})),
       "v1 has 3 pieces and v2 2"},
      {"hybrid_single_against_tree", torrent(with(with(hybrid(), "files", ""), "length", I(1000))),
       "v1 lists 'folder' where v2 lists 'folder/a'"},
      {"hybrid_pieces_too_many", torrent(with(hybrid(), "pieces", S(std::string(60, 'p')))),
       "'pieces' has 3 hashes; 18384 bytes in pieces of 16384 need 2"},
  };
}

std::vector<Case> urls() {
  auto const rest = [](std::string const& key, std::string const& value) {
    return torrent(v1(), {{key, value}});
  };
  return {
      {"announce_is_a_number", rest("announce", I(1)),
       "'announce' holds something that is not a string"},
      {"announce_with_a_newline", rest("announce", S("http://t/\r\nX: y")),
       "'announce' holds 'http://t/\\x0d\\x0aX: y', which is not a URL"},
      {"announce_list_is_a_string", rest("announce-list", S("http://t/")),
       "'announce-list' is not a list"},
      {"announce_list_holds_a_number", rest("announce-list", L({L({I(1)})})),
       "'announce-list' holds something that is not a string"},
      {"announce_too_long", rest("announce", S("http://" + std::string(5000, 't'))),
       "'announce' holds a URL of 5007 bytes; at most 4096 are accepted"},
      {"url_list_is_a_number", rest("url-list", I(1)),
       "'url-list' holds something that is not a string"},
      {"url_list_too_long", rest("url-list", L(std::vector<std::string>(1001, S("http://w/")))),
       "'url-list' holds more than 1000 URLs"},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto const& group : {not_a_torrent(), names(), pieces(), lengths(), v1_paths(), attributes(),
                            v2_fields(), layers(), hybrids(), urls()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

TEST(MalformedMetainfo, is_refused_with_the_field_and_the_value) {
  auto const cases = all_cases();
  EXPECT_GE(cases.size(), 60u);
  for (Case const& malformed : cases) {
    auto const parsed = Metainfo::parse(base::view_of(malformed.torrent));
    ASSERT_FALSE(parsed.has_value()) << malformed.name;
    EXPECT_EQ(parsed.error().what, malformed.what) << malformed.name;
  }
}

/// The same cases feed the fuzzer: MUTIRAO_WRITE_CORPUS=FOLDER writes them there.
TEST(MalformedMetainfo, stands_in_the_corpus) {
  if (char const* const folder = std::getenv("MUTIRAO_WRITE_CORPUS"))
    for (Case const& malformed : all_cases())
      std::ofstream{std::string{folder} + "/malformed_" + malformed.name, std::ios::binary}
          << malformed.torrent;
  for (Case const& malformed : all_cases()) {
    std::ifstream file{MUTIRAO_SOURCE_DIR "/src/swarm/corpus/metainfo/malformed_" + malformed.name,
                       std::ios::binary};
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>{file}, {}), malformed.torrent)
        << malformed.name;
  }
}

TEST(MalformedMetainfo, too_many_files_or_bytes_are_refused_before_they_cost_anything) {
  std::string files = "l";
  for (std::size_t i = 0; i <= Metainfo::kFilesMax; ++i) files += "de";
  auto const many =
      Metainfo::parse(base::view_of(torrent(with(v1_files({}), "files", files + "e"))));
  ASSERT_FALSE(many.has_value());
  EXPECT_EQ(many.error().what, "'files' lists 200001 files; at most 200000 are accepted");
  EXPECT_EQ(many.error().fault, Fault::exhausted);

  std::string const large(Metainfo::kBytesMax + 1, 'd');
  EXPECT_EQ(Metainfo::parse(base::view_of(large)).error().what,
            "the .torrent has 10485761 bytes; at most 10485760 are accepted");
}

}  // namespace
}  // namespace mutirao::swarm
