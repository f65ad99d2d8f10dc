#include "site/site_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "mutirao/base/check.h"

namespace mutirao::swarm {
namespace {

constexpr SiteText kEnglish{
    .tag = "en",
    .other_tag = "pt-BR",
    .other_name = "Português",
    .decimal_point = '.',
    .title = "Shared here",
    .tagline = "Whoever downloads helps to deliver. Every byte is checked before it is used.",
    .skip = "Skip to the list",
    .nothing_shared = "Nothing is shared yet.",
    .nothing_shared_mend = "Share a file or a folder with this command:",
    .shared = "Shared",
    .in_total = "In total",
    .peers_now = "Peers now",
    .delivering = "Delivering",
    .delivered = "Delivered",
    .size = "Size",
    .files = "Files",
    .file_one = "file",
    .file_many = "files",
    .seeds = "Seeds",
    .leeches = "Leeches",
    .downloading_rate = "Receiving",
    .uploading_rate = "Sending",
    .time_left = "Time left",
    .download = "Download",
    .browse = "Browse files",
    .magnet = "Magnet link",
    .torrent_file = "Torrent file",
    .copy = "Copy magnet",
    .copied = "Copied",
    .pieces_of = "{} of {} pieces verified",
    .map_whole = "here and verified",
    .map_part = "partly here",
    .map_none = "not here yet",
    .verified = "verified",
    .file_list = "Files",
    .name = "Name",
    .more_files = "All files",
    .hashes = "Hashes",
    .format = "Format",
    .parent_folder = "Parent folder",
    .folder_of = "Folder",
    .page_of = "Page {} of {}",
    .previous = "Previous page",
    .next = "Next page",
    .phase_metadata = "Asking for the description",
    .phase_checking = "Checking",
    .phase_downloading = "Downloading",
    .phase_seeding = "Complete",
    .phase_paused = "Paused",
    .phase_failed = "Failed",
    .what_to_do = "What to do:",
    .live_on = "Live figures",
    .live_off = "No connection: these figures are not up to date",
    .no_script = "Figures from the moment this page was made. Reload for new ones.",
    .how = "How to download",
    .how_magnet =
        "With a BitTorrent program: open the magnet link or the torrent file. It takes pieces from "
        "every peer and passes them on.",
    .how_browser =
        "With this browser alone: “Download” fetches the same bytes from this node; an interrupted "
        "download can be resumed.",
    .footer = "Served by Mutirão",
    .not_found = "Nothing is shared at this address.",
    .not_found_mend = "It may have been removed or renamed. The list shows what is here now:",
    .home = "What is shared here",
    .bad_request = "The Host that this request names is no valid host name.",
};

constexpr SiteText kPortuguese{
    .tag = "pt-BR",
    .other_tag = "en",
    .other_name = "English",
    .decimal_point = ',',
    .title = "Compartilhado aqui",
    .tagline = "Quem baixa também ajuda a entregar. Cada byte é conferido antes de ser usado.",
    .skip = "Ir direto à lista",
    .nothing_shared = "Nada está compartilhado ainda.",
    .nothing_shared_mend = "Compartilhe um arquivo ou uma pasta com este comando:",
    .shared = "Compartilhados",
    .in_total = "No total",
    .peers_now = "Pares agora",
    .delivering = "Entregando",
    .delivered = "Entregue",
    .size = "Tamanho",
    .files = "Arquivos",
    .file_one = "arquivo",
    .file_many = "arquivos",
    .seeds = "Seeds",
    .leeches = "Leeches",
    .downloading_rate = "Recebendo",
    .uploading_rate = "Enviando",
    .time_left = "Tempo restante",
    .download = "Baixar",
    .browse = "Ver arquivos",
    .magnet = "Link magnético",
    .torrent_file = "Arquivo torrent",
    .copy = "Copiar link magnético",
    .copied = "Copiado",
    .pieces_of = "{} de {} peças conferidas",
    .map_whole = "aqui e conferidas",
    .map_part = "aqui em parte",
    .map_none = "ainda não estão aqui",
    .verified = "conferido",
    .file_list = "Arquivos",
    .name = "Nome",
    .more_files = "Todos os arquivos",
    .hashes = "Hashes",
    .format = "Formato",
    .parent_folder = "Pasta acima",
    .folder_of = "Pasta",
    .page_of = "Página {} de {}",
    .previous = "Página anterior",
    .next = "Próxima página",
    .phase_metadata = "Pedindo a descrição",
    .phase_checking = "Conferindo",
    .phase_downloading = "Baixando",
    .phase_seeding = "Completo",
    .phase_paused = "Em pausa",
    .phase_failed = "Falhou",
    .what_to_do = "O que fazer:",
    .live_on = "Números ao vivo",
    .live_off = "Sem conexão: estes números não estão atualizados",
    .no_script = "Números do momento em que a página foi feita. Recarregue para ver os novos.",
    .how = "Como baixar",
    .how_magnet =
        "Com um programa BitTorrent: abra o link magnético ou o arquivo torrent. Ele recebe peças "
        "de todos os pares e as passa adiante.",
    .how_browser =
        "Só com este navegador: “Baixar” traz os mesmos bytes deste nó; um download interrompido "
        "pode continuar de onde parou.",
    .footer = "Servido por Mutirão",
    .not_found = "Nada está compartilhado neste endereço.",
    .not_found_mend = "Pode ter sido removido ou renomeado. A lista mostra o que há agora:",
    .home = "O que está compartilhado aqui",
    .bad_request = "O Host que este pedido traz não é um nome válido.",
};

char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

SiteText const* for_tag(std::string_view tag) {
  auto const primary = tag.substr(0, tag.find('-'));
  auto const is = [&](std::string_view language) {
    return std::ranges::equal(primary, language, {}, lower_case);
  };
  if (is("pt")) return &kPortuguese;
  if (is("en") || primary == "*") return &kEnglish;
  return nullptr;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

double quality(std::string_view parameters) {
  auto const at = parameters.find("q=");
  if (at == std::string_view::npos) return 1;
  double value = 0;
  auto const digits = trim(parameters.substr(at + 2));
  return std::from_chars(digits.data(), digits.data() + digits.size(), value).ec == std::errc{}
             ? value
             : 0;
}

}  // namespace

std::string_view SiteText::phase(TorrentPhase phase) const noexcept {
  switch (phase) {
    case TorrentPhase::metadata:
      return phase_metadata;
    case TorrentPhase::checking:
      return phase_checking;
    case TorrentPhase::downloading:
      return phase_downloading;
    case TorrentPhase::seeding:
      return phase_seeding;
    case TorrentPhase::paused:
      return phase_paused;
    case TorrentPhase::failed:
      return phase_failed;
  }
  MUT_UNREACHABLE();
}

std::string SiteText::figure(std::string text) const {
  std::ranges::replace(text, '.', decimal_point);
  return text;
}

SiteText const& site_text(std::string_view accept_language, std::string_view chosen) noexcept {
  if (auto const* text = for_tag(chosen); text != nullptr && !chosen.empty()) return *text;
  SiteText const* best = &kEnglish;
  double best_quality = 0;
  for (auto rest = accept_language.substr(0, 1024); !rest.empty();) {
    auto const comma = std::min(rest.find(','), rest.size());
    auto const entry = rest.substr(0, comma);
    rest = rest.substr(std::min(comma + 1, rest.size()));
    auto const semicolon = std::min(entry.find(';'), entry.size());
    auto const* text = for_tag(trim(entry.substr(0, semicolon)));
    auto const wish = quality(entry.substr(semicolon));
    if (text == nullptr || wish <= best_quality) continue;
    best = text;
    best_quality = wish;
  }
  return *best;
}

}  // namespace mutirao::swarm
