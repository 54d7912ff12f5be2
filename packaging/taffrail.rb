# A template of a Homebrew formula: the address and the hash are those of a release, which has to exist first.
class Taffrail < Formula
  desc "Dashboard in the terminal for the language models on your own machine"
  homepage "https://example.invalid/taffrail"
  url "https://example.invalid/taffrail/archive/v0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "cmake" => :build
  depends_on "llvm" => :build
  depends_on "rust" => :build

  def install
    # An archive has no clone's folder that would tell the commit.
    ENV["TAFFRAIL_COMMIT"] = version.to_s
    # Homebrew's builds run on other machines than the one that made them.
    ENV["RUSTFLAGS"] = "-C target-cpu=#{Hardware.oldest_cpu}"
    system "cargo", "install", *std_cargo_args
    generate_completions_from_executable(bin/"taffrail", "completions")
    system bin/"taffrail", "man", man1
    doc.install "config.toml"
  end

  service do
    run [opt_bin/"taffrail", "serve"]
    keep_alive true
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/taffrail --version")
    assert_match "ishmael-1m", shell_output("#{bin}/taffrail ls")
  end
end
