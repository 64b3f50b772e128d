from mtk_cli import main

main()
